"""Contracts, baselines and settlement."""
