"""Rewards on a vision-language model that is asked about pictures, one published method a file."""
