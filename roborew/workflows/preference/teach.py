"""One round: the agent's episodes recorded, pairs of them labeled by a judge, the critic fitted."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Sequence

from roborew.config import keyword_options
from roborew.critics.critic import Critic, is_critic
from roborew.data.demonstration import Demonstration
from roborew.data.preferences import (
    PAIRS,
    PREFERENCES,
    Pair,
    Preference,
    PreferenceFile,
    write_pairs,
)
from roborew.data.reading import read_demonstrations
from roborew.errors import RoborewError
from roborew.registry import encoders
from roborew.seeding import Seeds
from roborew.storage.run import RunDirectory
from roborew.workflows.fit import FitConfig, fit_critic
from roborew.workflows.fit.model_card import write
from roborew.workflows.label.asking import ANSWERS, Asking, load_labeler
from roborew.workflows.parts import CriticConfig, EncoderConfig
from roborew.workflows.preference.episodes import collect_round, set_path
from roborew.workflows.preference.labelers import Labeler
from roborew.workflows.preference.ladder import best_against_each_other, discovery_pairs
from roborew.workflows.preference.selection import choose_pairs
from roborew.workflows.preference.settings import PreferenceSettings, settings_of
from roborew.workflows.refit import refit
from roborew.workflows.train.config import TrainConfig
from roborew.workflows.train.loop import Refit
from roborew.workflows.trained import critic_path


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
            self._labeler = labeler_of(run, config)
        collect_round(run, config, number)
        episodes = list(read_demonstrations(set_path(run)))
        labels = PreferenceFile(set_path(run) / PREFERENCES)
        pairs = round_pairs(run, config, number, episodes, labels.labels)
        self._label(run, config, pairs, labels, episodes)
        if settings_of(config).selection == "ladder":
            # What was discovered is put among the best at once.
            ranking = ranking_pairs(run, config, number, episodes, labels.labels, pairs)
            self._label(run, config, ranking, labels, episodes)
        fitted = fit_critic(episodes, fit_config(config), preferences=labels.labels)
        by = ", ".join(dict.fromkeys(label.by for label in labels.labels))
        source = f"{len(labels.labels)} labels of {by}"
        write(fitted, path, source, "roborew " + shlex.join(sys.argv[1:]))

    def _label(
        self,
        run: RunDirectory,
        config: TrainConfig,
        pairs: Sequence[Pair],
        labels: PreferenceFile,
        episodes: Sequence[Demonstration],
    ) -> None:
        """Let the judge or a person label pairs, if there are any."""
        if not pairs:
            return
        if self._labeler is None:
            wait_for_person(run, pairs, labels)
            return
        asking = Asking(self._labeler, labels, episodes, instruction=config.sentence)
        asking.label(settings_of(config).form.groups(pairs))


def round_pairs(
    run: RunDirectory,
    config: TrainConfig,
    number: int,
    episodes: Sequence[Demonstration],
    labels: Sequence[Preference],
) -> list[Pair]:
    """The pairs of a round, of a ladder those that discover; the same ones whenever the run goes on."""
    settings = settings_of(config)
    rng = Seeds(config.seed).child("preferences").generator(f"pairs of round {number}")
    count = settings.form.count_drawn(settings.labels_of_round(number))
    if settings.selection == "ladder":
        return discovery_pairs(rng, episodes, settings.episodes, (count + 1) // 2, labels)
    critic = _critic_before(run, number)
    return choose_pairs(
        rng,
        episodes,
        settings.episodes,
        count,
        settings.selection,
        critic,
        settings.one_episode,
        settings.among_best,
    )


def ranking_pairs(
    run: RunDirectory,
    config: TrainConfig,
    number: int,
    episodes: Sequence[Demonstration],
    labels: Sequence[Preference],
    discovery: Sequence[Pair],
) -> list[Pair]:
    """The pairs of a round that put the best frames in order; the same ones whenever the run goes on."""
    settings = settings_of(config)
    rng = Seeds(config.seed).child("preferences").generator(f"ranking of round {number}")
    count = settings.form.count_drawn(settings.labels_of_round(number)) // 2
    return best_against_each_other(rng, episodes, settings.episodes, count, labels, discovery)


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
    labels = settings.labels_of_round(number)
    begin = f"round {number} of {settings.num_rounds}:"
    if settings.by_person:
        return f"{begin} {labels:,} pairs of the agent's pictures"
    return (
        f"{begin} of the agent's pictures the judge is asked about {settings.form.describe(labels)}"
    )


def labeler_of(run: RunDirectory, config: TrainConfig) -> Labeler:
    """The judge of a run, whose answers are kept in the run unless another file was named."""
    settings = settings_of(config)
    return load_labeler(
        settings.judge,
        set_path(run) / ANSWERS,
        f"run of seed {config.seed}",
        settings.form,
        config.device,
    )


def fit_config(config: TrainConfig) -> FitConfig:
    """How the critics of a run are fitted."""
    settings = settings_of(config)
    options: dict[str, float] = {"steps": settings.steps}
    if settings.critic == "bradley_terry":
        options["label_noise"] = settings.label_noise
    return FitConfig(
        critic=CriticConfig(settings.critic, options),
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
