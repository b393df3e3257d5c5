"""Rewrite the runs of ``videos/``: a video of each given run, a still of it, and a manifest that
tells where they come from. What `experiments.showcase.gif` wrote stays.

python -m experiments.showcase.run runs/demo runs/push-v0-mini-ppo
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from PIL import Image

from roborew import read_video
from roborew.storage.run import RunDirectory
from roborew.workflows.evaluate import read_summary
from roborew.workflows.record import VIEWER_OPTIONS, record_run

VIDEOS = Path(__file__).parents[2] / "videos"
MANIFEST = VIDEOS / "manifest.json"


def add(run: Path) -> dict[str, object]:
    """Record one run into ``videos/``; returns its line of the manifest."""
    recorded = record_run(RunDirectory.open(run), 1)[0]
    summary = read_summary(run)
    name = str(summary["environment"]).split("/")[-1].lower()
    video = VIDEOS / f"{name}.mp4"
    video.write_bytes(recorded.read_bytes())
    frames = read_video(video)
    chosen = np.linspace(0, len(frames) - 1, 3).astype(int)
    Image.fromarray(np.concatenate(list(frames[chosen]), axis=1)).save(
        VIDEOS / f"{name}.png", optimize=True
    )
    figures = (
        "environment",
        "instruction",
        "reward",
        "agent",
        "seed",
        "steps",
        "true_success",
        "episodes",
        "false_success_rate",
    )
    drawn = {"video": video.name, "still": f"{name}.png", "drawing": VIEWER_OPTIONS["quality"]}
    return drawn | {key: summary[key] for key in figures}


def remove_runs() -> list[dict[str, object]]:
    """Delete the videos and stills of runs; return the manifest's other entries."""
    if not MANIFEST.is_file():
        return []
    entries: list[dict[str, object]] = json.loads(MANIFEST.read_text("utf-8"))
    for entry in entries:
        for kind in ("video", "still"):
            if kind in entry:
                (VIDEOS / str(entry[kind])).unlink(missing_ok=True)
    return [entry for entry in entries if "video" not in entry]


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "runs",
        type=Path,
        nargs="+",
        help="folders of finished runs, evaluated by `roborew evaluate`",
    )
    options = parser.parse_args()
    VIDEOS.mkdir(exist_ok=True)
    kept = remove_runs()
    manifest = kept + [add(run) for run in options.runs]
    MANIFEST.write_text(json.dumps(manifest, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
