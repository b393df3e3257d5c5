"""Tiny embedded episodes: a few entries of a frame's vector move with progress, the others are
noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from roborew.critics.objective import Query
from roborew.learning.examples import Example

WIDTH, TEXT_WIDTH = 12, 8
PUSH, OPEN = "push the red cube onto the green pad", "open the drawer"
TEXTS = {
    PUSH: np.eye(TEXT_WIDTH, dtype=np.float32)[0],
    OPEN: np.eye(TEXT_WIDTH, dtype=np.float32)[1],
}


def curve(kind: str, length: int) -> NDArray[np.float32]:
    """Progress of an episode: ``success`` rises to 1, ``failure`` stays low, ``undo`` rises and
    falls again."""
    time = np.linspace(0, 1, length)
    shapes = {"success": np.minimum(1, 1.25 * time), "failure": 0.3 * np.minimum(1, 2 * time)}
    return np.asarray(
        shapes.get(kind, np.minimum(1, 2.2 * (1 - np.abs(2 * time - 1)) / 2)), np.float32
    )


def episode(
    kind: str,
    seed: int,
    length: int = 24,
    sentence: str = PUSH,
    noise: float = 0.1,
    labelled: bool = True,
) -> Example:
    """One episode. The task of a sentence shows in two entries of its own; the rest of a vector
    says nothing."""
    rng = np.random.default_rng(seed)
    progress = curve(kind, length)
    features = noise * rng.standard_normal((length, WIDTH)).astype(np.float32)
    at = 2 * list(TEXTS).index(sentence)
    features[:, at] += 2 * progress - 1
    features[:, at + 1] += np.cos(3 * progress)
    features.flags.writeable = False
    return Example(
        name=f"{sentence}-{kind}-{seed}",
        instruction=sentence,
        text_embedding=TEXTS[sentence],
        features=features,
        progress=progress if labelled else None,
        success=kind == "success",
        quality="success" if kind == "success" else "failure",
        goal_embedding=features[-1] if kind == "success" else None,
    )


def world(
    count: int = 6,
    seed: int = 0,
    sentences: tuple[str, ...] = (PUSH,),
    labelled: bool = True,
    length: int = 24,
) -> list[Example]:
    """``count`` successes, failures and undone ones each, of every sentence."""
    return [
        episode(
            kind, seed + 100 * row + 10_000 * column, length + row % 3, sentence, labelled=labelled
        )
        for sentence in sentences
        for column, kind in enumerate(("success", "failure", "undo"))
        for row in range(count)
    ]


def query(example: Example, goal: NDArray[np.float32] | None = None) -> Query:
    """All frames of an episode, to be scored."""
    return Query(
        features=example.features,
        instruction=example.instruction,
        text_embedding=example.text_embedding,
        goal_image=goal,
    )
