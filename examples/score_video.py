"""Score any video with a reward model and say how well the curve orders it."""

from __future__ import annotations

import argparse
from pathlib import Path

import roborew

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("video", type=Path)
parser.add_argument("--instruction", default="push the red cube onto the green pad")
parser.add_argument("--reward", default="mini", help="a name, a critic's folder, or module:Class")
arguments = parser.parse_args()

reward = roborew.load_reward(arguments.reward)
scores = roborew.score(reward, arguments.video, arguments.instruction)

for step in range(0, len(scores), max(1, len(scores) // 10)):
    known = scores.valid[step]
    bar = "#" * round(40 * float(scores.value[step])) if known else "abstained"
    print(f"{step:5d}  {bar}")
order = roborew.voc(scores.value[scores.valid]).value
print(f"value-order correlation with time: {'not defined' if order is None else f'{order:.2f}'}")
