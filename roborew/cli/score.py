"""``roborew score``."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated

import tyro
from rich.console import Console

from roborew.bounds import check_whole_number
from roborew.cli.command import (
    EXIT_UNWELL,
    LINE_SECONDS,
    Command,
    Show,
    followed,
    is_watched,
    print_paths,
    say,
)
from roborew.config import format_options
from roborew.errors import CorruptFileError, InvalidInputError
from roborew.storage.staging import check_writable
from roborew.workflows.parts import RewardConfig

if TYPE_CHECKING:
    from roborew.types import Frame, RewardModel
    from roborew.workflows.score import Outcome, ScoredVideo, Source

Videos = tyro.conf.Positional[tuple[Path, ...]]
Instruction = tyro.conf.arg(aliases=("--goal",))


@dataclass(frozen=True, kw_only=True)
class Score(Command):
    """Score videos with a reward: curves, a progress table, plots and videos with the score drawn
    in. One that is damaged is said and left out, and the exit code is 1."""

    videos: Videos
    """Video files (mp4, m4v, mov, webm, mkv, avi, gif), folders of them, manifests, or LeRobot data
    sets, each episode of which gets a curve of its own."""
    instruction: Annotated[str | None, Instruction] = None
    """What should be done in them, as a sentence; if not given, what a manifest or data set says, or
    the one sentence that a critic was fitted to."""
    reward: RewardConfig = field(default_factory=RewardConfig)
    goal_image: Path | None = None
    """A picture of the goal, for rewards that compare with one."""
    cameras: tuple[str, ...] = ()
    """For a critic of several cameras, in the order that it was fitted with: files with further views
    of the one video, or names of the cameras of a data set."""
    fps: float | None = None
    """Score about so many frames of each second; if not given, as many as a critic was fitted to,
    else every frame."""
    min_score: float | None = None
    """Also write a list of the videos whose last score is at least this, in the reward's own range."""
    out: Path = Path("scores")
    """Folder for what is written; nothing there is ever overwritten."""
    sidecar: bool = False
    """Put the progress table of a LeRobot data set into its own folder, where LeRobot looks for it."""
    weights_horizon: int | None = None
    """Also write what each frame of a LeRobot data set counts in cloning, by the progress of so many
    frames after it (RA-BC): LeRobot's --sample_weighting.type=static reads the table, and the number
    is the chunk_size of its policy."""
    device: str = "cpu"
    """Where the model runs, a torch device name."""
    video: bool = True
    """Also write the videos."""

    def run(self, console: Console) -> int:
        """Score."""
        from roborew.data import read_picture
        from roborew.workflows.rewards import load_configured
        from roborew.workflows.score import check_output_names, check_states

        sources = self._find_sources(console)
        model = load_configured(self.reward, self.device)
        check_states(model, sources)
        self._check_weights(model, sources)
        check_output_names([source.name for source in sources], [model.spec.name])
        self._say_what_is_read(console, model, sources)
        picture = read_picture(self.goal_image) if self.goal_image else None
        check_writable(self.out)
        outcomes: list[Outcome] = []
        for source, show in followed(console, sources, "scoring", [model]):
            outcomes.append(self._score(console, model, source, picture, show))
        print_paths(console, self._write_tables(model, outcomes))
        self._say_what_is_kept(console, outcomes)
        self.print_json({str(one.source.path): _figures(one) for one in outcomes})
        return _exit_code(console, outcomes)

    def _find_sources(self, console: Console) -> list[Source]:
        from roborew.data.reading import describe_left_out
        from roborew.workflows.score import find_sources

        if not self.videos:
            raise InvalidInputError("score: got no video; name at least one file or folder.")
        if self.cameras and len(self.videos) > 1:
            raise InvalidInputError(
                f"score: --cameras belong to one video or set; got {len(self.videos)}. Score one at a "
                f"time."
            )
        listing = find_sources(self.videos, self.cameras, self.instruction)
        if listing.left_out:
            say(console, describe_left_out(listing.left_out))
        return listing.sources

    def _check_weights(self, model: RewardModel, sources: list[Source]) -> None:
        from roborew.workflows.score import EpisodeSource, is_bounded

        if self.weights_horizon is None:
            return
        check_whole_number("weights_horizon", self.weights_horizon)
        if not any(isinstance(source, EpisodeSource) for source in sources):
            raise InvalidInputError(
                "weights_horizon: weights are of the frames of a LeRobot data set; got videos alone. "
                "Name the folder of a set."
            )
        if not is_bounded(model.spec):
            raise InvalidInputError(
                f"weights_horizon: the scores of {model.spec.name} have no finite range, so a gain is no "
                "share of the task; take a reward whose scores are progress."
            )

    def _say_what_is_read(
        self, console: Console, model: RewardModel, sources: list[Source]
    ) -> None:
        """Said before scoring: which frames are read decides what the curve can show."""
        from roborew.workflows.score import FilmSource, resolve_instruction

        fps = self._fps(model)
        rate = f"about {fps:g} frames of each second" if fps else "every frame"
        unnamed = any(isinstance(one, FilmSource) and one.sentence is None for one in sources)
        if unnamed or self.instruction is not None:
            sentence = resolve_instruction(model, self.instruction)
            say(console, f"“{sentence}”, {rate}")
        else:
            say(console, f"the sentence of each, {rate}")

    def _fps(self, model: RewardModel) -> float | None:
        from roborew.critics.critic import Critic

        return model.fps if self.fps is None and isinstance(model, Critic) else self.fps

    def _score(
        self,
        console: Console,
        model: RewardModel,
        source: Source,
        picture: Frame | None,
        show: Show,
    ) -> Outcome:
        """Score one video and write what belongs to it alone; a damaged one is said."""
        from roborew.workflows.score import (
            Outcome,
            describe_flat,
            describe_judge_cost,
            describe_mismatch,
            resolve_instruction,
            score_source,
        )

        fps = self._fps(model)
        try:
            sentence = resolve_instruction(model, self.instruction or source.instruction())
            cost = describe_judge_cost(model, [source], fps)
            if cost is not None:
                say(console, f"{source.path}: {cost}")
            observe = time_bar(console, source, show)
            scored = score_source(model, source, sentence, picture, fps, observe)
            paths = self._write(scored, source, fps)
        except (CorruptFileError, InvalidInputError) as error:
            if len(self.videos) == 1 and self.videos[0] == source.path:
                raise
            say(console, f"{source.path}: not scored. {error}")
            return Outcome(source, None, str(error))
        notes = describe_mismatch(model, scored, source.num_views), describe_flat(model, scored)
        note = "; ".join(note for note in notes if note)
        say(console, _summary(scored) + (f"; {note}" if note else ""))
        print_paths(console, paths)
        return Outcome(source, scored, note)

    def _write(self, scored: ScoredVideo, source: Source, fps: float | None) -> dict[str, Path]:
        from roborew.workflows.score import write_curve, write_plot, write_scored_video

        paths = {
            "scores": write_curve(self.out, scored),
            "plot": write_plot(self.out, [scored]),
        }
        if self.video:
            paths["video"] = write_scored_video(self.out, scored, source, fps)
        return paths

    def _write_tables(self, model: RewardModel, outcomes: list[Outcome]) -> dict[str, Path]:
        """Write what belongs to all videos together."""
        from roborew.workflows.score import (
            datasets_of,
            write_dataset_progress,
            write_dataset_weights,
            write_kept,
            write_progress_table,
            write_summary,
        )

        spec = model.spec
        options = format_options(self.reward.options)
        identity = " ".join([self.reward.name, *map(shlex.quote, options)])
        paths: dict[str, Path] = {}
        datasets = datasets_of(outcomes)
        films = [outcome.scored for outcome in datasets.pop(None, []) if outcome.scored]
        if films:
            paths["progress table"] = write_progress_table(self.out, films, identity)
        for root, episodes in datasets.items():
            folder = root if self.sidecar and root is not None else self.out
            table = write_dataset_progress(folder, spec, episodes, identity)
            paths[f"progress table of {root}"] = table
            if self.weights_horizon is not None:
                horizon = self.weights_horizon
                table = write_dataset_weights(folder, spec, episodes, identity, horizon)
                paths[f"weights of {root}"] = table
        if len(outcomes) > 1:
            paths["summary"] = write_summary(self.out, outcomes, spec.name)
        if self.min_score is not None:
            paths["kept"] = write_kept(self.out, outcomes, spec.name, self.min_score)
        return paths

    def _say_what_is_kept(self, console: Console, outcomes: list[Outcome]) -> None:
        from roborew.workflows.score import EpisodeSource, datasets_of, is_kept

        if self.min_score is None:
            return
        for root, episodes in datasets_of(outcomes).items():
            good_ones = [outcome for outcome in episodes if is_kept(outcome, self.min_score)]
            say(
                console,
                f"kept {len(good_ones)} of {len(episodes)}, whose last score is {self.min_score:g} or more",
            )
            if root is not None and good_ones:
                sources = [one.source for one in good_ones]
                numbers = [one.entry.index for one in sources if isinstance(one, EpisodeSource)]
                say(console, f"for LeRobot: --dataset.episodes='{numbers}'")


def time_bar(console: Console, source: Source, show: Show) -> Callable[[float], None]:
    """A function that shows how much of a video has come."""
    seconds = source.seconds or 0.0
    began = monotonic()

    def observe(time: float) -> None:
        # Lines only of videos that take long.
        if is_watched(console) or monotonic() - began > LINE_SECONDS:
            show(f"{source.path.name}, {time:.0f} s of {seconds:.0f}", time, max(seconds, time))

    return observe


def _exit_code(console: Console, outcomes: list[Outcome]) -> int:
    """A script has to notice what was not scored, and that not one score was given."""
    failed = [outcome for outcome in outcomes if outcome.scored is None]
    if len(outcomes) > 1:
        say(console, f"{len(outcomes) - len(failed)} of {len(outcomes)} videos scored")
    for outcome in failed:
        say(console, f"not scored: {outcome.source.path}: {outcome.note}")
    no_score = all(outcome.last is None for outcome in outcomes)
    return EXIT_UNWELL if failed or no_score else 0


def _figures(outcome: Outcome) -> dict[str, object]:
    if outcome.scored is None:
        return {"error": outcome.note}
    return {
        "frames": outcome.scored.indices,
        "times": outcome.scored.times,
        "scores": outcome.scored.curve,
        "note": outcome.note,
    }


def _summary(scored: ScoredVideo) -> str:
    """First and last score, and what was abstained from."""
    scores = [value for value in scored.curve if value is not None]
    span = "no score"
    if scores:
        span = f"{scores[0]:.3f} to {scores[-1]:.3f}"
    frames = len(scored.curve)
    abstained = frames - len(scores)
    return (
        f"{scored.path}: {span} over {frames} frames, {abstained} abstained, {scored.seconds:.1f} s"
    )
