"""Whatever ends a process, a run and a cache are whole and can be gone on with.

Some moments of two cases here; `python -m tests.roborew.storage.crashes FOLDER` tries every moment of
every command, and its result is in `experiments/robustness/crashes.csv`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_a_run_and_a_cache_survive_an_end_at_any_file_operation(tmp_path: Path) -> None:
    words = [str(tmp_path / "swept"), "--start", "3", "--stride", "23"]
    words += ["--commands", "store", "store again", "cache", "--kinds", "crash", "full"]
    command = [sys.executable, "-m", "tests.roborew.storage.crashes", *words]
    environment = os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'envs'}"}
    ended = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stdout.count("'wrong': 0") == 6
