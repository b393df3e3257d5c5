"""One round: the agent's episodes recorded, pairs of them labeled by a judge, the critic fitted."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace

from roborew.config import keyword_options
from roborew.critics.critic import Critic, is_critic
from roborew.data import side_by_side
from roborew.data.demonstration import Demonstration
from roborew.data.preferences import (
    PAIRS,
    PREFERENCES,
    Pair,
    Preference,
    PreferenceFile,
    Segment,
    write_pairs,
)
from roborew.data.reading import read_demonstrations
from roborew.errors import BudgetError, RoborewError
from roborew.registry import encoders
from roborew.rewards.preferences import FramePair, PreferenceLabel
from roborew.seeding import Seeds
from roborew.storage.run import RunDirectory
from roborew.types import Frame
from roborew.workflows.fit import FitConfig, fit_critic
from roborew.workflows.fit.model_card import write
from roborew.workflows.parts import CriticConfig, EncoderConfig
from roborew.workflows.preference.episodes import collect_round, set_path
from roborew.workflows.preference.labelers import Labeler, make_labeler
from roborew.workflows.preference.selection import choose_pairs
from roborew.workflows.preference.settings import PreferenceSettings, settings_of
from roborew.workflows.refit import refit
from roborew.workflows.train.config import TrainConfig
from roborew.workflows.train.loop import Refit
from roborew.workflows.trained import critic_path

ANSWERS = "answers.jsonl"
PAIRS_PER_WRITE = 128
"""Pairs that are asked about before their labels are on the disk."""
CRITIC = "bradley_terry"


class JudgeTeacher:
    """Makes the critics of a run whose reward is taught, a `roborew.workflows.train.loop.Refit`.

    The judge is loaded once: its budget is that of the whole command.
    """

    def __init__(self) -> None:
        self._labeler: Labeler | None = None

    def __call__(self, run: RunDirectory, number: int) -> None:
        """Make the critic of a round, unless that was done before the run was interrupted.

        Raises:
            BudgetError: the judge may not be asked so much; what it said is kept.
            RoborewError: the judge cannot be had, or gave no label that tells two pictures apart.
        """
        path = critic_path(run, number)
        if is_critic(path):
            return
        shutil.rmtree(path, ignore_errors=True)  # torn when an earlier session was killed
        config = run.config(TrainConfig)
        by_person = settings_of(config).by_person
        if self._labeler is None and not by_person:
            # Before anything is recorded: a judge that is not there leaves no run behind.
            self._labeler = load_labeler(run, config)
        collect_round(run, config, number)
        episodes = list(read_demonstrations(set_path(run)))
        labels = PreferenceFile(set_path(run) / PREFERENCES)
        pairs = round_pairs(run, config, number, episodes)
        if self._labeler is None:
            wait_for_person(run, pairs, labels)
        else:
            frames = read_frames(pairs, episodes)
            asking = _Asking(self._labeler, config.sentence, labels, frames)
            asking.label(pairs, settings_of(config).pairs_per_question)
        fitted = fit_critic(episodes, fit_config(config), preferences=labels.labels)
        by = ", ".join(dict.fromkeys(label.by for label in labels.labels))
        source = f"{len(labels.labels)} labels of {by}"
        write(fitted, path, source, "roborew " + shlex.join(sys.argv[1:]))


def round_pairs(
    run: RunDirectory, config: TrainConfig, number: int, episodes: Sequence[Demonstration]
) -> list[Pair]:
    """The pairs of a round; the same ones whenever the run goes on."""
    settings = settings_of(config)
    return choose_pairs(
        Seeds(config.seed).child("preferences").generator(f"pairs of round {number}"),
        episodes,
        settings.episodes,
        settings.labels_of_round(number),
        settings.selection,
        _critic_before(run, number),
    )


def wait_for_person(run: RunDirectory, pairs: Sequence[Pair], labels: PreferenceFile) -> None:
    """Write the pairs down for `roborew label`, and stop unless all have a label.

    Raises:
        RoborewError: a person has to label first; what they said already is kept.
    """
    labeled = {label.pair for label in labels.labels}
    waiting = [pair for pair in pairs if pair not in labeled]
    write_pairs(set_path(run) / PAIRS, pairs)
    if waiting:
        place = shlex.quote(str(set_path(run)))
        raise RoborewError(
            f"{len(waiting):,} pairs wait for a person: `roborew label {place}`, then `roborew train "
            f"--resume {shlex.quote(str(run.path))}`."
        )


class _Asking:
    """Pairs on their way to labels."""

    def __init__(
        self,
        labeler: Labeler,
        sentence: str,
        labels: PreferenceFile,
        frames: Mapping[Segment, Frame],
    ) -> None:
        self._labeler = labeler
        self._sentence = sentence
        self._labels = labels
        self._frames = frames

    def label(self, pairs: Sequence[Pair], per_question: int) -> None:
        """Ask about the pairs that have no label; those of one question stay together, so that it is
        the same question again when a run goes on."""
        groups = [
            pairs[first : first + per_question] for first in range(0, len(pairs), per_question)
        ]
        waiting = [group for group in groups if self._unlabeled(group)]
        block = max(1, PAIRS_PER_WRITE // per_question)
        for first in range(0, len(waiting), block):
            self._ask(waiting[first : first + block])

    def _unlabeled(self, pairs: Sequence[Pair]) -> list[Pair]:
        labeled = {label.pair for label in self._labels.labels}
        return [pair for pair in pairs if pair not in labeled]

    def _ask(self, groups: Sequence[Sequence[Pair]]) -> None:
        pairs = [pair for group in groups for pair in group]
        try:
            replies = self._labeler.compare([self._frame_pair(pair) for pair in pairs])
        except BudgetError:
            if len(groups) == 1:
                raise
            # What is left of the budget may be enough for a part, which is then kept.
            half = len(groups) // 2
            self._ask(groups[:half])
            self._ask(groups[half:])
            return
        by = self._labeler.judge.identity
        unlabeled = self._unlabeled(pairs)
        entries = [entry for entry in zip(pairs, replies, strict=True) if entry[0] in unlabeled]
        self._labels.add([to_preference(*entry, by) for entry in entries])

    def _frame_pair(self, pair: Pair) -> FramePair:
        first, second = (self._frames[segment] for segment in pair)
        return FramePair(first=first, second=second, instruction=self._sentence)


def _critic_before(run: RunDirectory, number: int) -> Critic | None:
    """The last critic before a round; None before the first."""
    paths = [critic_path(run, earlier) for earlier in range(number - 1, 0, -1)]
    last = next(filter(is_critic, paths), None)
    return None if last is None else Critic.from_pretrained(last)


def refit_of(config: TrainConfig) -> Refit:
    """What makes the critics of a run after its first reward."""
    return JudgeTeacher() if config.reward.is_taught else refit


def describe_refit(config: TrainConfig, number: int) -> str:
    """What a refit does, said before it begins: a hosted judge takes money."""
    if not config.reward.is_taught:
        return "the critic is refitted, to its demonstrations and to episodes of the agent"
    settings = settings_of(config)
    pairs = settings.labels_of_round(number)
    if settings.by_person:
        return f"round {number} of {settings.num_rounds}: {pairs:,} pairs of the agent's pictures"
    return (
        f"round {number} of {settings.num_rounds}: the judge is asked about {pairs:,} pairs of the "
        f"agent's pictures, in up to {settings.questions_of_round(number):,} questions"
    )


def load_labeler(run: RunDirectory, config: TrainConfig) -> Labeler:
    """The judge of a run, whose answers are kept in the run unless another file was named."""
    settings = settings_of(config)
    folder = set_path(run)
    judge = settings.judge
    judge = replace(
        judge,
        cache=judge.cache or folder / ANSWERS,
        # The same question must be the same again when the run goes on.
        nonce_seed=judge.nonce_seed or f"run of seed {config.seed}",
    )
    return make_labeler(settings, judge, config.device)


def read_frames(
    pairs: Sequence[Pair], episodes: Sequence[Demonstration]
) -> Mapping[Segment, Frame]:
    """The pictures of pairs, the views side by side; each episode is decoded once."""
    indices: dict[str, set[int]] = {}
    for pair in pairs:
        for episode, frame in pair:
            indices.setdefault(episode, set()).add(frame)
    frames: dict[Segment, Frame] = {}
    for episode in episodes:
        if episode.name not in indices:
            continue
        views = map(episode.frames, episode.cameras)
        for number, moment in enumerate(zip(*views, strict=True)):
            if number in indices[episode.name]:
                frames[episode.name, number] = side_by_side(moment)
    return frames


def to_preference(pair: Pair, judgment: PreferenceLabel, by: str) -> Preference:
    """What a judge said as a line of the set; an abstention is one, too."""
    first, second = pair
    if judgment.is_tie:
        return Preference(first=first, second=second, label=0.5, by=by)
    label = None if judgment.label is None else float(judgment.label)
    return Preference(first=first, second=second, label=label, by=by, reason=judgment.reason)


def fit_config(config: TrainConfig) -> FitConfig:
    """How the critics of a run are fitted."""
    settings = settings_of(config)
    return FitConfig(
        critic=CriticConfig(CRITIC, {"steps": settings.steps, "label_noise": settings.label_noise}),
        ensemble_size=settings.ensemble_size,
        encoder=_encoder(settings),
        cameras=config.env.cameras,
        seed=Seeds(config.seed).integer("preferences"),
        threads=config.threads,
        device=config.device,
    )


def _encoder(settings: PreferenceSettings) -> EncoderConfig:
    factory = encoders.load(settings.encoder)
    fitted = "steps" in keyword_options(factory)
    return EncoderConfig(settings.encoder, {"steps": settings.encoder_steps} if fitted else {})
