"""Ask a vision-language model behind an OpenAI-compatible server how far a task is, by TOPReward."""

from __future__ import annotations

import argparse
from pathlib import Path

import roborew

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("video", type=Path)
parser.add_argument("--instruction", default="push the red cube onto the green pad")
parser.add_argument("--base-url", default="http://127.0.0.1:8000/v1")
parser.add_argument("--model", default="Qwen/Qwen3-VL-4B-Instruct")
parser.add_argument("--reward", default="topreward", help="see `roborew list rewards`")
parser.add_argument("--every", type=int, default=10, help="score every so many frames")
arguments = parser.parse_args()

reward = roborew.load_reward(
    arguments.reward,
    judge="openai",
    judge_options={"base_url": arguments.base_url, "model": arguments.model},
)
frames = roborew.read_video(arguments.video)[:: arguments.every]
scores = roborew.score(reward, frames, arguments.instruction)

for step, (value, valid) in enumerate(zip(scores.value, scores.valid, strict=True)):
    print(f"frame {step * arguments.every}: {f'{value:.2f}' if valid else 'abstained'}")
