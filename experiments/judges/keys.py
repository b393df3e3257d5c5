"""Plays a person who teaches a run: presses keys at each stop, as wrong and as often silent as the
judge would be about the same pictures."""

from __future__ import annotations

from pathlib import Path

from experiments.judges.oracle import Oracle, picture_key
from roborew import read_demonstrations
from roborew.cli import main as roborew
from roborew.data.preferences import PAIRS, Pair, read_pairs, set_preferences
from roborew.workflows.label.asking import read_frames

KEYS = {"1": "left", "2": "right", "0": "tie", "x": "skip"}


def press_keys(folder: Path, oracle: Oracle) -> bool:
    """Label the pairs that a run waits for, `roborew label FOLDER --keys FILE`; return whether it
    waited for any.

    Args:
        folder: RUN/preferences.
        oracle: knows the truth, and what is said of it.
    """
    pairs = waiting_pairs(folder)
    if not pairs:
        return False
    episodes = list(read_demonstrations(folder))
    frames = read_frames(pairs, episodes)
    keys = [
        KEYS[oracle.digit(picture_key(frames[first]), picture_key(frames[second]))]
        for first, second in pairs
    ]
    file = folder.parent / "keys.txt"
    file.write_text("\n".join(keys) + "\n")
    code = roborew(["label", str(folder), "--keys", str(file)])
    assert code == 0 and not waiting_pairs(folder), "a key was not taken"
    return True


def waiting_pairs(folder: Path) -> list[Pair]:
    """The pairs in a run's folder that a person has said nothing of yet."""
    if not (folder / PAIRS).is_file():
        return []
    labeled = {label.pair for label in set_preferences(folder)}
    return [pair for pair in read_pairs(folder / PAIRS) if pair not in labeled]
