"""Weights that somebody else made: found, looked at, and only then given to the library that reads
them."""
