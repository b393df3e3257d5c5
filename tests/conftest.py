"""One core for the arithmetic of a test: threads that wait for each other crawl on a machine that does other work."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read once, when torch is imported; runs that a test starts inherit it
