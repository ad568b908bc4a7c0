"""The version of this product: below everything, so that every room may name it."""

VERSION = "0.1.0"
