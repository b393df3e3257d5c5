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
parser.add_argument("--score-every", type=int, default=10, help="score every so many frames")
arguments = parser.parse_args()

judge = {"backend": "openai", "base_url": arguments.base_url, "model": arguments.model}
settings = {f"judge.{name}": value for name, value in judge.items()}
reward = roborew.load_reward("topreward", chat_template=True, **settings)

frames = roborew.read_video(arguments.video)[:: arguments.score_every]
scores = roborew.score(reward, frames, arguments.instruction)

for index, (value, valid) in enumerate(zip(scores.value, scores.valid, strict=True)):
    log_odds = f"{value:.2f}" if valid else "abstained"
    print(f"frame {index * arguments.score_every}: {log_odds}")
