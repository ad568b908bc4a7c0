"""Composition root: command line, supervisor, API and console."""
