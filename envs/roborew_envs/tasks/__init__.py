"""Tasks: language, initial states and truth, one task a file beside its scene."""
