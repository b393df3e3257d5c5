"""Pairs of pictures on their way to a judge's labels: what is labeled is on the disk, and is not asked
about again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from roborew.config import keyword_options
from roborew.data.demonstration import Demonstration
from roborew.data.preferences import Pair, Preference, PreferenceFile, Segment
from roborew.errors import BudgetError
from roborew.judges.config import JudgeConfig
from roborew.registry import judges
from roborew.rewards.preferences import FramePair, PreferenceLabel
from roborew.types import Frame
from roborew.workflows.label.questions import Group, QuestionForm
from roborew.workflows.preference.labelers import Labeler, make_labeler

ANSWERS = "answers.jsonl"
PAIRS_PER_WRITE = 128
"""Pairs that are asked about before their labels are on the disk."""
PAIRS_PER_READ = 512
"""Pairs whose pictures are in memory at once, a gigabyte of 640 x 480."""


class Asking:
    """Asks about pairs and keeps what is said.

    Args:
        labeler: asks the judge.
        labels: of the set.
        episodes: of the set.
        cameras: whose pictures are shown, side by side; those of each episode if not given.
        instruction: by which all pictures are compared; that of their episode if not given.
    """

    def __init__(
        self,
        labeler: Labeler,
        labels: PreferenceFile,
        episodes: Sequence[Demonstration],
        cameras: Sequence[str] = (),
        instruction: str | None = None,
    ) -> None:
        self._labeler = labeler
        self._labels = labels
        self._episodes = episodes
        self._cameras = cameras
        self._instructions = {
            episode.name: instruction or episode.instruction for episode in episodes
        }

    def label(self, groups: Sequence[Group]) -> None:
        """Ask about every group in which a pair has no label: whole, so that it is the same question
        again when somebody goes on.

        Raises:
            BudgetError: the judge may not be asked so much; what it said is kept.
        """
        waiting = self.unlabeled(groups)
        frames = read_frames(_pairs(waiting), self._episodes, self._cameras)
        for block in in_blocks(waiting, PAIRS_PER_WRITE):
            self._ask(block, frames)

    def unlabeled(self, groups: Sequence[Group]) -> list[Group]:
        """The groups in which a pair has no label."""
        labeled = {label.pair for label in self._labels.labels}
        return [group for group in groups if not labeled.issuperset(group)]

    def _ask(self, groups: Sequence[Group], frames: Mapping[Segment, Frame]) -> None:
        pictures = [[self._frame_pair(pair, frames) for pair in group] for group in groups]
        try:
            replies = self._labeler.compare_groups(pictures)
        except BudgetError:
            if len(groups) == 1:
                raise
            # What is left of the budget may be enough for a part, which is then kept.
            half = len(groups) // 2
            self._ask(groups[:half], frames)
            self._ask(groups[half:], frames)
            return
        by = self._labeler.judge.identity
        labeled = {label.pair for label in self._labels.labels}
        pairs = _pairs(groups)
        entries = {
            pair: reply for pair, reply in zip(pairs, replies, strict=True) if pair not in labeled
        }
        self._labels.add([to_preference(pair, reply, by) for pair, reply in entries.items()])

    def _frame_pair(self, pair: Pair, frames: Mapping[Segment, Frame]) -> FramePair:
        first, second = (frames[segment] for segment in pair)
        name, _ = pair[0]
        return FramePair(first=first, second=second, instruction=self._instructions[name])


def _pairs(groups: Sequence[Group]) -> list[Pair]:
    return [pair for group in groups for pair in group]


def in_blocks(groups: Sequence[Group], pairs: int) -> list[list[Group]]:
    """The groups in blocks of at most so many pairs, but one group at least."""
    blocks: list[list[Group]] = []
    size = 0
    for group in groups:
        if not blocks or size + len(group) > pairs:
            blocks.append([])
            size = 0
        blocks[-1].append(group)
        size += len(group)
    return blocks


def describe_questions(groups: Sequence[Group], form: QuestionForm, judge: str) -> str:
    """What asking about groups takes, said before it begins: a hosted judge takes money."""
    questions = form.count_questions(len(groups))
    pictures = sum(map(form.count_pictures, groups))
    return (
        f"{judge} is asked about {len(_pairs(groups)):,} pairs, in up to {questions:,} questions with "
        f"up to {pictures:,} pictures; stored answers are not asked again"
    )


def load_labeler(
    judge: JudgeConfig, answers: Path, seed: str, form: QuestionForm, device: str
) -> Labeler:
    """The judge that labels.

    Args:
        judge: its configuration.
        answers: file of its answers, unless the configuration names another.
        seed: of the marks of its answers, unless the configuration names another: the same question
            must be the same again when somebody goes on.
        form: what stands in one question.
        device: torch device of a judge in this process.

    Raises:
        RoborewError: the judge cannot be had.
    """
    judge = replace(
        _stopping(judge), cache=judge.cache or answers, nonce_seed=judge.nonce_seed or seed
    )
    return make_labeler(form, judge, device)


def _stopping(judge: JudgeConfig) -> JudgeConfig:
    """The judge, stopping when its server is lost: an abstention would stand for a label that nobody
    is asked for again."""
    names = [option.partition("=")[0] for option in judge.options]
    is_known = isinstance(judge.backend, str) and judge.backend in judges
    if not is_known or "on_failure" in names:
        return judge
    if "on_failure" not in keyword_options(judges.load(str(judge.backend))):
        return judge
    return replace(judge, options=(*judge.options, "on_failure=stop"))


def read_frames(
    pairs: Sequence[Pair], episodes: Sequence[Demonstration], cameras: Sequence[str] = ()
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
        numbers = indices[episode.name]
        moments = episode.moments(cameras or episode.cameras, numbers)
        # The moments first: they are decoded to the end. A number beyond it has none.
        for moment, number in zip(moments, sorted(numbers), strict=False):
            frames[episode.name, number] = moment
    return frames


def to_preference(pair: Pair, judgment: PreferenceLabel, by: str) -> Preference:
    """What a judge said as a line of the set; an abstention is one, too."""
    first, second = pair
    if judgment.is_tie:
        return Preference(first=first, second=second, label=0.5, by=by)
    label = None if judgment.label is None else float(judgment.label)
    return Preference(first=first, second=second, label=label, by=by, reason=judgment.reason)
