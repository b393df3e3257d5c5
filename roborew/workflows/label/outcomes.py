"""A person's keys, or a judge's grades, on their way to the outcomes of episodes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from roborew.data.demonstration import Demonstration, resolve_cameras
from roborew.data.label_file import PERSON, SKIPPED
from roborew.data.outcomes import OUTCOMES, Outcome, OutcomeFile
from roborew.data.reading import read_demonstrations
from roborew.errors import InvalidInputError
from roborew.types import Clip, Video, stack_frames
from roborew.workflows.label.config import LabelConfig
from roborew.workflows.label.keys import UNDO, Question, check_key, take_back

if TYPE_CHECKING:
    # torch is slow to import, and a person need not wait for it.
    from roborew.rewards.vlm.prefix import PrefixReward

ANSWERS = {"success": True, "failure": False, "skip": None}
MAX_FRAMES = 60
"""Of a film of a whole episode that is shown."""
SUCCESS_GRADE = 0.5
"""Grade of a judge in [0, 1] from which on an episode is a success."""


class OutcomeSession:
    """The episodes of a set that does not say how they end, one after the other, and what was said.

    Args:
        folder: of the set.
        config: what is shown.
        instruction: what the films show, where they do not say so themselves.

    Raises:
        InvalidInputError: no set, or one that says itself of each episode whether it succeeds.
    """

    def __init__(self, folder: Path, config: LabelConfig, instruction: str | None = None) -> None:
        if not folder.is_dir():
            raise InvalidInputError(f"label: expected the folder of a set; got {folder}.")
        self.outcomes = OutcomeFile(folder / OUTCOMES)
        names = self._names()
        episodes = list(read_demonstrations(folder, instruction))
        self.episodes = [one for one in episodes if one.succeeded is None or one.name in names]
        if not self.episodes:
            raise InvalidInputError(
                f"label: {folder} says of each episode whether it succeeds; leave out --outcomes."
            )
        self._cameras = resolve_cameras(self.episodes, ",".join(config.cameras) or None)

    @property
    def waiting(self) -> list[Demonstration]:
        """Episodes of which nothing was said."""
        names = self._names()
        return [one for one in self.episodes if one.name not in names]

    def _names(self) -> set[str]:
        """Of the episodes of which something was said."""
        return {one.episode for one in self.outcomes.labels}

    @property
    def done(self) -> int:
        """Episodes of which something was said."""
        return self.total - len(self.waiting)

    @property
    def total(self) -> int:
        """All episodes that are asked about."""
        return len(self.episodes)

    @property
    def keys(self) -> Collection[str]:
        """What a person may press."""
        return (*ANSWERS, UNDO)

    @property
    def question(self) -> Question | None:
        """The film of the first episode of which nothing was said; None where there is none."""
        waiting = self.waiting
        if not waiting:
            return None
        episode = waiting[0]
        film = self.film(episode)
        # As long as it was, however many of its frames are shown.
        fps = episode.fps * len(film) / episode.length
        return Question("episode", episode.instruction, fps, (film,))

    def film(self, episode: Demonstration) -> Video:
        """At most `MAX_FRAMES` frames of an episode, evenly, its last among them, (T, H, W, 3)."""
        length = episode.length
        steps = set(
            np.linspace(0, length - 1, min(length, MAX_FRAMES)).round().astype(int).tolist()
        )
        return stack_frames(episode.moments(self._cameras, steps), len(steps))

    def press(self, key: str) -> None:
        """Take a key; see `roborew.workflows.label.keys.Session.press`."""
        check_key(key, self.keys)
        if key == UNDO:
            take_back(self.outcomes)
            return
        waiting = self.waiting
        if not waiting:
            raise InvalidInputError(f"{key}: all {self.total} episodes have an answer.")
        success = ANSWERS[key]
        reason = SKIPPED if success is None else ""
        name = waiting[0].name
        self.outcomes.add([Outcome(episode=name, success=success, by=PERSON, reason=reason)])

    def grade(self, episode: Demonstration, judge: PrefixReward) -> None:
        """Let a judge say how an episode ends.

        Args:
            episode: one of those that wait.
            judge: grades a film in [0, 1], as `roborew.rewards.vlm.verifier.Verifier`.
        """
        clip = Clip(frames=self.film(episode), instruction=episode.instruction)
        prefixes, _ = judge.extend_prefixes(clip, {})
        # How the whole episode ends is one question for each criterion, not one for each frame.
        scores = judge.as_scores(judge.score_prefixes(prefixes[-1:]))
        outcome = Outcome(
            episode=episode.name,
            success=bool(scores.value[-1] >= SUCCESS_GRADE),
            by=judge.judge.identity,
        )
        if not scores.valid[-1]:
            outcome = replace(outcome, success=None, reason="the judge gave no grade")
        self.outcomes.add([outcome])

    def counts(self) -> dict[str, int]:
        """How many episodes there are, have an answer, succeed, fail, and were left open."""
        names = {one.name for one in self.episodes}
        counts = Counter(one.success for one in self.outcomes.labels if one.episode in names)
        return {
            "done": self.done,
            "episodes": self.total,
            "successes": counts[True],
            "failures": counts[False],
            "silent": counts[None],
        }

    def summary(self) -> str:
        """The counts in words."""
        words = (
            "{done:,} of {episodes:,} episodes have an answer: {successes:,} successes, "
            "{failures:,} failures, {silent:,} that say nothing"
        )
        return words.format(**self.counts())
