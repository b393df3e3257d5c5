"""Show every task, so that a person can see that it is the task it says: ``python -m
experiments.task_gallery``."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from experiments.task_gallery import behaviors
from experiments.task_gallery.moments import Moments, moments
from roborew_envs import TASKS, Task, make_task
from roborew_envs.experts.policies import first_version
from roborew_envs.rendering.renderer import Quality, Renderer

HERE = Path(__file__).parent
WIDTH, HEIGHT = 192, 144
QUALITY: Quality = "full"
GAP = 4
SHOWN = tuple(
    name for name in TASKS if name == first_version(name) or first_version(name) not in TASKS
)
"""A later version looks as the first does."""

HEAD = f"""# Every task

Left to right: the start, half of the way, success. Top to bottom: the task's cameras, in the order named. Frames are
{WIDTH} x {HEIGHT} pixels of quality `{QUALITY}`. All of this page is written by `python -m experiments.task_gallery`
(`--only ID ...` renews some of the pictures); a task added to the registry appears in it without further work.
"""

ENDS = f"""
## Where every scripted behavior ends

Share of the episodes whose last state is a success, in per cent, by the simulator's truth: {behaviors.MANY} of
the expert and of slow, {behaviors.OTHERS} of every other behavior, from seed {behaviors.FIRST_SEED} on. These two
should end in success; all others should not, and random moves hardly ever do; a noisy expert ends anywhere. Grades of
episodes without success count half of the way and later stages where they are held for a while. Written by
`python -m experiments.task_gallery.behaviors` into [behaviors.csv](behaviors.csv), which also has the shares that
ever reach success, the progress at the end and the grades.

"""


def sheet(task: Task, shown: Moments) -> np.ndarray:
    """One picture: a row a camera, a column a moment, white between them."""
    with Renderer(task.model, WIDTH, HEIGHT, QUALITY) as renderer:
        rows = [
            renderer.render(shown.qpos, camera, task.visual_overrides(shown.qpos))
            for camera in task.cameras
        ]
    framed = np.pad(
        np.stack(rows), ((0, 0), (0, 0), (GAP, 0), (GAP, 0), (0, 0)), constant_values=255
    )
    return np.concatenate([np.concatenate(list(row), axis=1) for row in framed])[GAP:, GAP:]


def save(path: Path, picture: np.ndarray) -> None:
    """Write a small JPEG that keeps the colors and says how it was drawn."""
    said = f"drawing={QUALITY}".encode()
    Image.fromarray(picture).save(path, quality=88, subsampling=0, optimize=True, comment=said)


def _figures(shown: Moments) -> str:
    return ", ".join(f"{value:.2f}" for value in shown.progress)


def section(task: Task, shown: Moments, picture: Path) -> str:
    """What the page says of a task."""
    reached = "success" if shown.success[-1] else "no success yet"
    progress, cameras = _figures(shown), ", ".join(task.cameras)
    return f"""
## {task.id}

"{task.instruction}". Stages: {", ".join(task.stages)}. Cameras: {cameras}. At most {task.horizon} steps.

![{task.id}: start, middle and success through each camera]({picture.name})

From {shown.source}; true progress {progress}, {reached} in the last column.
"""


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m experiments.task_gallery", description=__doc__)
    parser.add_argument(
        "--only",
        nargs="+",
        choices=SHOWN,
        metavar="ID",
        help="renew these pictures; the page is written whole",
    )
    parser.add_argument(
        "--out", type=Path, default=HERE, help="folder of the page and its pictures"
    )
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    page = HEAD
    for task_id in SHOWN:
        task = make_task(task_id)
        shown, picture = moments(task), arguments.out / f"{task_id.split('/')[-1].lower()}.jpg"
        if task_id in (arguments.only or SHOWN):
            save(picture, sheet(task, shown))
        page += section(task, shown, picture)
        print(f"{task_id}: {shown.source}, progress {_figures(shown)}", flush=True)
    page += ENDS + behaviors.table(behaviors.read())
    (arguments.out / "README.md").write_text(page, "utf-8")


if __name__ == "__main__":
    main()
