"""Bodies that run or stand."""
