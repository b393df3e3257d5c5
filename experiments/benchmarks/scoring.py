"""Labelled steps a second: every step drawn and scored by a ViT-B-32, against two ordinary loops;
and two other costs.

The weights are random numbers, which are as fast as real ones. Each side runs in a process of its
own, with two threads
of torch. Ordinary is what a user of Gymnasium writes: ``render()`` at its default quality,
open_clip's own transform, float32, at the default picture size of 480 or at the 224 that the
network reads.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import gymnasium
import mujoco
import numpy as np
import open_clip
import torch
from PIL import Image
from scipy.stats import spearmanr

from experiments.benchmarks.contender import contender
from experiments.benchmarks.measure import Row, compare
from roborew import LearnedReward
from roborew.encoders.embedder import Embedder
from roborew.encoders.open_clip import load_open_clip
from roborew.rewards.clip import ClipReward
from roborew.rewards.similarity import normalize
from roborew.types import Video
from roborew_envs import TaskVectorEnv, make_task

MODEL, SIZE, THREADS = "ViT-B-32", 224, 2
TASK, PEER, GOAL = "roborew/HumanoidStand-v0", "Humanoid-v5", "a humanoid robot standing"
NUM_ENVS, PEER_ENVS = 64, 8
SMALL = "ViT-S-32-alt"
"""For costs that are measured over a thousand steps."""
TOWERS = ("ViT-B-32", "RN50", "ViT-B-16-SigLIP")
WINDOW = 50
EPISODE = 1000


def _quietly() -> None:
    torch.set_num_threads(THREADS)
    logging.disable(logging.WARNING)  # that weights are random is known here
    mujoco.set_mju_user_warning(
        lambda _: None
    )  # MuJoCo 4 finds fault with the compiler settings of the peer's model


def ours(dtype: str) -> Callable[[], int]:
    _quietly()
    made = TaskVectorEnv(
        make_task(TASK), NUM_ENVS, render_mode="rgb_array", width=SIZE, height=SIZE, quality="fast"
    )
    env = LearnedReward(
        made,
        ClipReward(model=MODEL, pretrained="random", dtype=dtype),
        GOAL,
        score_every=1,
        success_detector=None,
    )
    env.reset(seed=0)
    env.action_space.seed(0)

    def step() -> int:
        env.step(env.action_space.sample())
        return NUM_ENVS

    return step


class OrdinaryScore:
    """open_clip as its README uses it: one picture after the other through Pillow, one batch,
    float32."""

    def __init__(self) -> None:
        self._model, _, self._transform = open_clip.create_model_and_transforms(MODEL)
        self._model.eval()
        with torch.inference_mode():
            self._goal = self._model.encode_text(
                open_clip.get_tokenizer(MODEL)([GOAL]), normalize=True
            )

    @torch.inference_mode()
    def __call__(self, frames: Any) -> np.ndarray:
        pictures = torch.stack([self._transform(Image.fromarray(frame)) for frame in frames])
        return (self._model.encode_image(pictures, normalize=True) @ self._goal.T).numpy()


def ordinary(size: int) -> Callable[[], int]:
    """One environment."""
    _quietly()
    env, score = (
        gymnasium.make(PEER, render_mode="rgb_array", width=size, height=size),
        OrdinaryScore(),
    )
    env.reset(seed=0)

    def step() -> int:
        _, _, terminated, truncated, _ = env.step(env.action_space.sample())
        score([env.render()])
        if terminated or truncated:
            env.reset()
        return 1

    return step


def batched(size: int) -> Callable[[], int]:
    """Several environments and one batch a step."""
    _quietly()
    options = {"render_mode": "rgb_array", "width": size, "height": size}
    env, score = (
        gymnasium.make_vec(PEER, PEER_ENVS, vectorization_mode="sync", **options),
        OrdinaryScore(),
    )
    env.reset(seed=0)

    def step() -> int:
        env.step(env.action_space.sample())
        score(env.render())
        return PEER_ENVS

    return step


def _rates(repeats: int) -> list[Row]:
    rows = []
    for peer, name in (
        (ordinary, "one environment"),
        (batched, f"{PEER_ENVS} environments, one batch"),
    ):
        for size in (480, SIZE):
            with contender(ours, "auto") as own, contender(peer, size) as other:
                settings = (
                    f"every step of {NUM_ENVS} {TASK} scored by {MODEL}, {SIZE} px, dtype auto, "
                    f"against {PEER}: "
                    f"{name}, render() at {size} px, float32; {THREADS} threads"
                )
                rows.append(
                    compare("scoring", own, other, "reward-scored env steps/s", settings, repeats)
                )
    return rows


def _advanced(steps: int) -> Callable[[], object]:
    """An environment so many scored steps into its episode; returns its next step."""
    task = make_task(TASK)
    task.horizon = EPISODE
    made = TaskVectorEnv(task, 1, render_mode="rgb_array", width=SIZE, height=SIZE)
    env = LearnedReward(
        made,
        ClipReward(model=SMALL, pretrained="random"),
        GOAL,
        score_every=1,
        success_detector=None,
    )
    still = np.zeros(env.action_space.shape)
    env.reset(seed=0)
    for _ in range(steps):
        env.step(still)
    return lambda: env.step(still)


def _episode() -> Row:
    """What a step costs late in an episode against early in another, in turns, in processor
    time."""
    steps = {"late": _advanced(EPISODE - WINDOW), "early": _advanced(WINDOW)}
    costs: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(WINDOW):
        for name, step in steps.items():
            start = time.process_time()
            step()
            costs[name].append(time.process_time() - start)
    late, early = (median(costs[name]) * 1e3 for name in ("late", "early"))
    settings = (
        f"a step of one {TASK}, drawn and scored by {SMALL}: steps {EPISODE - WINDOW} to "
        f"{EPISODE} of an episode "
        f"against {WINDOW} to {2 * WINDOW} of another, in turns"
    )
    return Row("scoring", late, early, "CPU ms", late / early, settings)


def _episode_frames(length: int) -> Video:
    """One random episode."""
    env = gymnasium.make(TASK, render_mode="rgb_array", width=SIZE, height=SIZE)
    env.reset(seed=0)
    env.action_space.seed(0)
    frames = []
    for _ in range(length):
        env.step(env.action_space.sample())
        frames.append(env.render())
    return np.stack(frames)


def _rounding(model: str, frames: Video) -> Row:
    """How far scores in bfloat16 are from those in float32, and whether they order frames alike."""
    scores = {}
    for dtype in ("float32", "bfloat16"):
        tower = load_open_clip(model, "random", text=False).tower
        x = normalize(Embedder(tower, dtype=dtype, batch_size=16).embed([frames])[0])
        scores[dtype] = x @ x[-1]
    exact, rounded = scores["float32"][:-1], scores["bfloat16"][:-1]
    rank = float(spearmanr(exact, rounded).statistic)
    settings = (
        f"{model}: largest difference of bfloat16 scores, the spread of the exact ones over "
        f"{len(frames)} frames of "
        f"{TASK} (cosine with the last), and their rank correlation; random weights"
    )
    return Row(
        "scoring",
        float(np.abs(exact - rounded).max()),
        float(np.ptp(exact)),
        "score",
        rank,
        settings,
    )


def run(repeats: int) -> list[Row]:
    """Rates, the cost of a long episode, and the noise of bfloat16."""
    rows = _rates(repeats)
    _quietly()
    film = _episode_frames(WINDOW)
    return [*rows, _episode(), *(_rounding(model, film) for model in TOWERS)]
