"""Pretrained reward models, one idea a file."""
