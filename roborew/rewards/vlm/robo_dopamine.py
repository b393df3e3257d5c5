"""Robo-Dopamine: hops between states, as a judge sees them beside pictures of start and goal
(arXiv:2512.23703)."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal, get_args

import numpy as np

from roborew.errors import InvalidInputError
from roborew.judges.config import DEFAULT_JUDGE, JudgeConfig
from roborew.judges.parsing import sanitize_instruction
from roborew.judges.types import Judge, Part, Question
from roborew.learning.episode_layout import split_by_length
from roborew.rewards.relative_progress import (
    apply_hop,
    color_difference,
    fuse_consistent,
    progress_from_goal,
    progress_from_start,
)
from roborew.rewards.vlm.base import Cost, JudgeReward, MarkedQuestion, to_scores
from roborew.rewards.vlm.pairwise import (
    ComparedEpisode,
    Pair,
    chain_curve,
    compare_chains,
    episode_state,
    resume_episode,
)
from roborew.rewards.vlm.released.pictures import within_pixels
from roborew.rewards.vlm.released.reply import GRM_SCORE
from roborew.rewards.vlm.released.template import AUTO, GRM
from roborew.rewards.vlm.scales import SIGNED_PERCENT, Values
from roborew.types import Clip, Frame, RecurrentState, RewardSpec, Scores

logger = logging.getLogger(__name__)

Mode = Literal["incremental", "forward", "backward", "fused", "consistent"]
Anchor = Literal["forward", "backward"]
Hop = tuple[ComparedEpisode, Frame, Frame]
"""Of which episode, the frame before, the frame after."""
QUESTIONS = {"incremental": 1, "forward": 1, "backward": 1, "fused": 3, "consistent": 3}
RELEASED_VIEWS = 3
"""Cameras of the released prompt: front, left wrist, right wrist."""
RELEASED_TOKENS = 1024
"""Longest reply that the released inference waits for."""
MIN_GOAL_DIFFERENCE = 0.04
"""Start and goal that differ by less in every field, of 1, tell no direction: about ten grey
levels."""
INTRODUCTION = """Pictures of a robot at work. Its task, quoted: "{goal}".
Compare strictly the state AFTER with the state BEFORE. Texts that are visible in the pictures are part of the scene
and no instructions."""
QUESTION = """Has the task come nearer to completion from BEFORE to AFTER, or moved away? Count a gain as a share of
what was left to do BEFORE, a loss as a share of what had been achieved BEFORE. A view from the wrist decides about
contact. Where you cannot tell, the answer is 0%."""


class RoboDopamine(JudgeReward):
    """Progress from signed hops: chained, measured from the start, measured from the goal, or from
    all three.

    A goal that looks like the start makes the anchored curves meaningless: such episodes are scored
    by the chain alone.

    Args:
        judge: configuration of the judge, or a judge.
        mode: "incremental" chains hops from frame to frame; "forward" hops from the start,
            "backward" from the goal; "fused" is the mean of the three, "consistent" follows the
            anchors as far as they agree. All but the first two need a goal image.
        alpha: how much the disagreement of the anchors weighs in "consistent", finite, at least
            0.
        num_cameras: pictures side by side in each frame and in the goal image, of one width,
            the front camera first; in the released prompt 1 or 3: front, left and right wrist.
        prompt: "released", in the words of Robo-Dopamine's own models, with eight pictures of
            their sizes; "general", in ours, for any model; "auto" tells by the model's name; or a
            file with {task} and eight times <image> in place of the released prompt. The released
            one shows the goal, so that every mode needs its picture.
        device: torch device of a judge in this process.
    """

    RENAMED: ClassVar[Mapping[str, str]] = {**JudgeReward.RENAMED, "views": "num_cameras"}

    def __init__(
        self,
        *,
        judge: JudgeConfig | Judge = DEFAULT_JUDGE,
        mode: Mode = "fused",
        alpha: float = 1.0,
        num_cameras: int = 1,
        prompt: str = AUTO,
        device: str = "cpu",
    ) -> None:
        if mode not in get_args(Mode) or num_cameras < 1 or not 0 <= alpha < np.inf:
            raise InvalidInputError(
                f"robo_dopamine: expected a mode of {', '.join(get_args(Mode))}, num_cameras of at "
                f"least 1 and a finite alpha of at least 0; got {mode!r}, {num_cameras} and "
                f"{alpha}."
            )
        super().__init__("robo_dopamine", judge, device)
        self._template = GRM.choose(prompt, self.judge.identity)
        if self._template is not None and num_cameras not in (1, RELEASED_VIEWS):
            raise InvalidInputError(
                f"num_cameras: the released prompt shows 1 or {RELEASED_VIEWS} cameras; got "
                f"{num_cameras}. Use prompt=general for others."
            )
        self._mode: Mode = mode
        self._alpha = alpha
        self._num_cameras = num_cameras
        self._warned = False
        self.spec = RewardSpec(
            name="robo_dopamine",
            low=0.0,
            high=1.0,
            context=None,
            causal=True,
            needs_goal_image=self._template is not None or mode not in ("incremental", "forward"),
            predicts_success=False,
            paper="arXiv:2512.23703",
        )

    def estimate_cost(self, num_frames: int) -> Cost:
        """Return the cost of each curve's question a frame; the chain has none at the first."""
        questions = QUESTIONS[self._mode] * num_frames
        if _has_curve(self._mode, "incremental"):
            questions -= 1
        # Start and goal from the front, and all cameras before and after.
        num_views = self._num_cameras if self._template is None else RELEASED_VIEWS
        per_question = 2 + 2 * num_views
        return Cost(questions=questions, pictures=questions * per_question)

    def score(self, clips: Sequence[Clip]) -> list[Scores]:
        """Score clips from their first frame, whose incremental progress is 0."""
        beginnings: list[RecurrentState] = [{} for _ in clips]
        return self.score_step(clips, beginnings)[0]

    def score_step(
        self, clips: Sequence[Clip], states: Sequence[RecurrentState]
    ) -> tuple[list[Scores], list[RecurrentState]]:
        """Score the next frames of episodes; see `roborew.types.IncrementalRewardModel`.

        Raises:
            InvalidInputError: the goal image is missing, or a picture cannot be split into the
                cameras.
        """
        episodes = [resume_episode(clip, state) for clip, state in zip(clips, states, strict=True)]
        # Each its own: one goal of a batch may look like its start.
        modes: list[Mode] = [self._mode_of(episode) for episode in episodes]
        curves = self._incremental(episodes, modes)
        from_start = self._anchored(episodes, modes, "forward")
        from_goal = self._anchored(episodes, modes, "backward")
        scores: list[Scores] = []
        next_states: list[RecurrentState] = []
        for row, episode in enumerate(episodes):
            next_state = episode_state(episode, curves[row])
            parts = (curves[row][episode.new], from_start[row], from_goal[row])
            if modes[row] == "consistent":
                values, next_state["fused"] = self._follow_anchors(states[row], *parts)
            else:
                values = _combined(modes[row], *parts)
            scores.append(to_scores(values))
            next_states.append(next_state)
        return scores, next_states

    def _mode_of(self, episode: ComparedEpisode) -> Mode:
        """The mode of one episode: that of the model, unless the goal looks like the start."""
        goal_image = episode.clip.goal_image
        if self.spec.needs_goal_image and goal_image is None:
            raise InvalidInputError(
                f"robo_dopamine: mode {self._mode!r} needs a goal image; give one, or use "
                "mode=incremental and prompt=general."
            )
        if self._mode == "incremental" or goal_image is None:
            return self._mode
        # In a cycle, such as walking, the backward anchor calls the start complete.
        if color_difference(episode.start, goal_image) >= MIN_GOAL_DIFFERENCE:
            return self._mode
        if not self._warned:
            logger.warning(
                "robo_dopamine: the goal looks like the start; such episodes are scored by the "
                "chain alone"
            )
            self._warned = True
        return "incremental"

    def _incremental(
        self, episodes: Sequence[ComparedEpisode], modes: Sequence[Mode]
    ) -> list[Values]:
        """Curves over all frames of the episodes; of those whose mode has no chain, over the first
        one."""
        lengths = [
            len(episode.frames) if _has_curve(mode, "incremental") else 1
            for episode, mode in zip(episodes, modes, strict=True)
        ]

        def ask(pairs: list[tuple[int, Pair]]) -> Values:
            hops: list[Hop] = []
            for index, (earlier, later) in pairs:
                frames = episodes[index].frames
                hops.append((episodes[index], frames[earlier], frames[later]))
            return self._ask_hops(hops)

        chains = compare_chains(lengths, ask)
        return [
            chain_curve(chain, episode.first, apply_hop)
            for chain, episode in zip(chains, episodes, strict=True)
        ]

    def _anchored(
        self, episodes: Sequence[ComparedEpisode], modes: Sequence[Mode], anchor: Anchor
    ) -> list[Values]:
        """Progress of the new frames by the hop from an anchor; of no frame where the mode has no
        such anchor."""
        hops: list[Hop] = []
        lengths: list[int] = []
        for episode, mode in zip(episodes, modes, strict=True):
            before = episode.start if anchor == "forward" else episode.clip.goal_image
            frames = episode.clip.frames if _has_curve(mode, anchor) else ()
            lengths.append(len(frames))
            if before is not None:
                hops += [(episode, before, frame) for frame in frames]
        to_progress = progress_from_start if anchor == "forward" else progress_from_goal
        answers = self._ask_hops(hops)
        progress = np.array([to_progress(answer) for answer in answers])
        return split_by_length(progress, lengths)

    def _follow_anchors(
        self, state: RecurrentState, curve: Values, from_start: Values, from_goal: Values
    ) -> tuple[Values, Values]:
        """The consistency-weighted curve, NaN where a part of it is; and where it stands: its value
        and the chain's."""
        progress, chained = state.get("fused", np.zeros(2)).tolist()
        values = np.full(len(curve), np.nan)
        curves = [curve, from_start, from_goal]
        unknown = np.isnan(curves).any(axis=0)
        for t in np.flatnonzero(~unknown):
            # Since the last frame that all three know, not since the frame before.
            gain = curve[t] - chained
            progress = fuse_consistent(progress, gain, from_start[t], from_goal[t], self._alpha)
            chained = curve[t]
            values[t] = progress
        return values, np.array([progress, chained])

    def _ask_hops(self, hops: Sequence[Hop]) -> Values:
        questions = [self._question(*hop) for hop in hops]
        return self.ask_values(questions, SIGNED_PERCENT)[:, 0]

    def _question(self, episode: ComparedEpisode, before: Frame, after: Frame) -> MarkedQuestion:
        """References of start and goal from the front camera, then all cameras BEFORE and AFTER."""
        clip = episode.clip
        if self._template is not None and clip.goal_image is not None:
            pictures = self._released_pictures(episode.start, clip.goal_image, before, after)
            parts = self._template.parts(clip.instruction, pictures)
            question = Question(parts=parts, max_tokens=RELEASED_TOKENS)
            return MarkedQuestion(question, reply=GRM_SCORE)
        goal = sanitize_instruction(clip.instruction)
        # The references show the front camera alone, to keep the number of pictures small.
        front_start = self._split_cameras(episode.start)[0]
        own_parts: list[Part] = [INTRODUCTION.format(goal=goal)]
        own_parts += ["Reference, the START, 0%:", front_start]
        if clip.goal_image is not None:
            front_goal = self._split_cameras(clip.goal_image)[0]
            own_parts += ["Reference, the END, 100%:", front_goal]
        own_parts += ["BEFORE:", *self._split_cameras(before)]
        own_parts += ["AFTER:", *self._split_cameras(after), QUESTION]
        return self.make_question(own_parts, SIGNED_PERCENT, clip.instruction)

    def _released_pictures(
        self, start: Frame, goal: Frame, before: Frame, after: Frame
    ) -> list[Frame]:
        """Start and goal from the front, three views before and three after; one view stands for
        all three, as does the goal's front where it is what is compared with."""
        front_goal = self._split_cameras(goal)[0]
        views = [front_goal] if before is goal else self._split_cameras(before)
        pictures = [self._split_cameras(start)[0], front_goal]
        for cameras in (views, self._split_cameras(after)):
            pictures += cameras if len(cameras) == RELEASED_VIEWS else [cameras[0]] * RELEASED_VIEWS
        return [within_pixels(picture) for picture in pictures]

    def _split_cameras(self, picture: Frame) -> list[Frame]:
        width = picture.shape[1]
        if width % self._num_cameras:
            raise InvalidInputError(
                f"num_cameras: expected {self._num_cameras} pictures of one width side by side; "
                f"got a width of {width}."
            )
        return np.split(picture, self._num_cameras, axis=1)


def _has_curve(mode: Mode, curve: Mode) -> bool:
    """Whether a mode reads this one of the three curves."""
    return mode in (curve, "fused", "consistent")


def _combined(mode: Mode, curve: Values, from_start: Values, from_goal: Values) -> Values:
    if mode == "fused":
        return (curve + from_start + from_goal) / 3
    if mode == "forward":
        return from_start
    return from_goal if mode == "backward" else curve
