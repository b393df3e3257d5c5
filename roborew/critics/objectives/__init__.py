"""What a critic can be fitted to, one idea a file; all of them learn from embedded frames on a
CPU."""
