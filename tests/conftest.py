"""What holds for every test: one core for its arithmetic, and weights that are the same in every
run."""

import os
import signal

os.environ.setdefault(
    "OMP_NUM_THREADS", "1"
)  # read once, when torch is imported; runs that a test starts inherit it
# (threads that wait for each other crawl on a machine that does other work)
os.environ.setdefault("HF_HUB_OFFLINE", "1")  # no test may depend on a network, or wait for one

import pytest
import torch

from roborew.config import warn_once


def pytest_configure(config: pytest.Config) -> None:
    """Let Ctrl-C work, which a shell switches off for what it starts in the background, and give each
    worker of pytest-xdist one core: threads that a program starts for every core of the machine would
    only wait for the other workers'."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    worker: str = getattr(config, "workerinput", {}).get("workerid", "")
    if worker and hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[int(worker.removeprefix("gw")) % len(cores)]})


@pytest.fixture(autouse=True)
def first_weights() -> None:
    """Networks that a test makes without a seed of its own start from the same weights, whichever
    tests ran before."""
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def no_warnings_yet() -> None:
    """A warning that is given once in a process is given in every test that looks for it."""
    warn_once.cache_clear()
