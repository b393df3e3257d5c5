"""The few shapes that cross a seam: frames, clips, scores. Documented once, checked once, on entry.

``score`` is what a model says, ``reward`` what the agent gets, ``progress`` the simulator's truth
in [0, 1], ``success`` the simulator's truth as a bool.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol, Self, cast, get_args, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from roborew.errors import InvalidInputError, InvalidScoreError
from roborew.short_repr import fields_repr

Frame = NDArray[np.uint8]
"""One picture, shape (H, W, 3), uint8 RGB, row 0 at the top."""
Video = NDArray[np.uint8]
"""Pictures in time order, shape (T, H, W, 3), uint8 RGB, row 0 at the top."""
FloatArray = NDArray[np.float32]
BoolArray = NDArray[np.bool_]

SpecShaping = Literal["progress-delta", "raw"]
"""What a reward model may ask for; a potential is for the user to choose."""
MAX_INSTRUCTION_CHARACTERS = 512


def check_video(frames: object, owner: str = "frames") -> Video:
    """Return ``frames`` if it is a (T, H, W, 3) uint8 array with T, H, W >= 1, else raise.

    Nothing is guessed or converted: a float array, channels first, grey or RGBA is an error that
        says so.

    Raises:
        InvalidInputError: another type, dtype, rank, channel count or an empty axis.
    """
    expected = f"{owner}: expected a uint8 array of shape (T, H, W, 3), RGB, row 0 at the top"
    if not isinstance(frames, np.ndarray):
        raise InvalidInputError(
            f"{expected}; got {type(frames).__name__}. Convert with numpy.asarray first."
        )
    array = cast("NDArray[Any]", frames)
    if array.dtype != np.uint8:
        raise InvalidInputError(
            f"{expected}; got dtype {array.dtype}. Scale to 0..255 and call .astype(numpy.uint8); "
            f"no scale is guessed."
        )
    if array.ndim != 4 or array.shape[3] != 3:
        # A guess is good enough for a hint: it is said, never acted on.
        hint = ""
        if array.ndim == 4 and array.shape[1] == 3:
            hint = " It looks like channels first: transpose to (0, 2, 3, 1)."
        elif array.ndim == 4 and array.shape[3] == 4:
            hint = " It looks like RGBA: drop the alpha channel."
        elif array.ndim == 3:
            hint = " It looks like one frame: add a time axis with frames[None]."
        raise InvalidInputError(f"{expected}; got shape {array.shape}.{hint}")
    if 0 in array.shape:
        raise InvalidInputError(f"{expected} with no empty axis; got shape {array.shape}.")
    return array


def stack_frames(frames: Iterable[Frame], count: int = 1) -> Video:
    """Frames of one size as one array (T, H, W, 3), each copied once.

    Args:
        frames: as they come, at least one.
        count: how many there will be, about.
    """
    stack: Any = None
    number = 0
    for frame in frames:
        if stack is None:
            stack = np.empty((max(count, 1), *frame.shape), np.uint8)
        if number == len(stack):
            # In place: a list of frames that is stacked at the end would hold all of them twice.
            stack.resize((number + number // 4 + 16, *frame.shape), refcheck=False)
        stack[number] = frame
        number += 1
    if stack is None:
        raise InvalidInputError("video: got no frame; expected at least one.")
    if number < len(stack):
        stack.resize((number, *stack.shape[1:]), refcheck=False)
    return stack


def picture_fault(first: Frame, before: Frame | None = None) -> str | None:
    """What is wrong with the first picture (H, W, 3) of an episode; it shows nothing, or is what it
    was ``before``.

    >>> picture_fault(np.zeros((2, 2, 3), np.uint8))
    'has one colour only, [0, 0, 0]'
    """
    if (first == first[:1, :1]).all():
        return f"has one colour only, {first[0, 0].tolist()}"
    if first.max() < 16:
        return "is black"
    if before is not None and np.array_equal(first, before):
        return "is the last one of the episode before, while the state is another"
    return None


def check_instruction(instruction: object) -> str:
    """Return the instruction without surrounding blanks if it can be given to a model, else raise.

    Rule: a string of 1 to 512 characters, at least one of them a letter or digit, no control
        characters.

    >>> check_instruction("  open the drawer ")
    'open the drawer'

    Raises:
        InvalidInputError: the rule is broken; the message says which part.
    """
    rule = f"a goal is 1 to {MAX_INSTRUCTION_CHARACTERS} printable characters with at least one letter or digit"
    if not isinstance(instruction, str):
        raise InvalidInputError(
            f"goal: expected a string, got {type(instruction).__name__}; {rule}."
        )
    text = instruction.strip()
    if not any(character.isalnum() for character in text):
        raise InvalidInputError(f"goal: got {text[:40]!r}, which says nothing; {rule}.")
    if len(text) > MAX_INSTRUCTION_CHARACTERS:
        raise InvalidInputError(f"goal: got {len(text)} characters; {rule}.")
    bad = next((character for character in text if not character.isprintable()), None)
    if bad is not None:
        raise InvalidInputError(f"goal: got the control character {bad!r}; {rule}.")
    return text


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """All that a reward model may see.

    Attributes:
        frames: shape (T, H, W, 3), uint8 RGB, row 0 at the top, oldest first.
        instruction: the goal as a sentence, see `check_instruction`.
        goal_image: optional picture of the goal, shape (H', W', 3), uint8 RGB.
        robot_states: shape (T, D), float32, of the robot at each frame, in the units of its data set;
            None where they are not known, and no reward needs them.
    """

    __repr__ = fields_repr

    frames: Video
    instruction: str
    goal_image: Frame | None = None
    robot_states: FloatArray | None = None

    def __post_init__(self) -> None:
        check_video(self.frames)
        check_instruction(self.instruction)
        if self.goal_image is not None:
            check_video(np.asarray(self.goal_image)[None], "goal_image")
        if self.robot_states is not None:
            _check_robot_states(self.robot_states, len(self.frames))

    def at(self, indices: NDArray[np.integer[Any]]) -> Self:
        """Return the moments at these indices, shape (N,), as a clip."""
        states = None if self.robot_states is None else self.robot_states[indices]
        return replace(self, frames=self.frames[indices], robot_states=states)

    @classmethod
    def unchecked(cls, frames: Video, instruction: str, goal_image: Frame | None = None) -> Self:
        """Return a clip whose parts the caller has checked already, so that nothing is twice."""
        clip = object.__new__(cls)
        # A frozen dataclass refuses plain assignment, and its constructor would check again.
        object.__setattr__(clip, "frames", frames)
        object.__setattr__(clip, "instruction", instruction)
        object.__setattr__(clip, "goal_image", goal_image)
        object.__setattr__(clip, "robot_states", None)
        return clip


def _check_robot_states(states: FloatArray, length: int) -> None:
    is_matrix = states.ndim == 2 and states.dtype == np.float32
    if not is_matrix or len(states) != length or not bool(np.isfinite(states).all()):
        raise InvalidInputError(
            f"robot_states: expected finite float32 of shape ({length}, D), one row a frame; got "
            f"{states.dtype} of shape {states.shape}."
        )


@dataclass(frozen=True, slots=True)
class Scores:
    """What a reward model says of one clip.

    Attributes:
        value: shape (T,), float32, in the model's ``[spec.low, spec.high]`` where valid.
        valid: shape (T,), bool, False where the model abstained; an abstention never becomes a
            number.
        success: optional, shape (T,), float32 in [0, 1]: the model's probability that the goal is
            reached.
    """

    __repr__ = fields_repr

    value: FloatArray
    valid: BoolArray
    success: FloatArray | None = None

    def __post_init__(self) -> None:
        if self.value.ndim != 1 or self.value.shape != self.valid.shape:
            raise InvalidScoreError(
                f"scores: expected value and valid of one shape (T,); got {self.value.shape} and "
                f"{self.valid.shape}."
            )
        if self.valid.dtype != np.bool_:
            raise InvalidScoreError(f"scores: expected valid to be bool; got {self.valid.dtype}.")
        if not np.isfinite(self.value[self.valid]).all():
            raise InvalidScoreError(
                "scores: a value marked valid is NaN or infinite; mark it invalid instead."
            )
        if self.success is not None:
            if self.success.shape != self.value.shape:
                raise InvalidScoreError(
                    f"scores: success has shape {self.success.shape}, not {self.value.shape}."
                )
            claims = self.success[self.valid]
            if not bool(((claims >= 0) & (claims <= 1)).all()):
                raise InvalidScoreError(
                    "scores: a success probability marked valid is NaN or outside [0, 1]."
                )

    def __len__(self) -> int:
        return len(self.value)


ROUNDING = 1e-4
"""A score may lie so far outside its range, as a share of the larger bound: sums in float32 round."""
MIN_RANGE_SHARE = 1e-3
"""Share of a model's range by which its scores of an episode must differ to move."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardSpec:
    """A reward model's promise, held by the contract tests over the whole registry.

    Attributes:
        name: the registry's name.
        low: smallest value a valid score takes.
        high: largest value a valid score takes.
        context: frames a score may depend on: 1 = that frame alone, k = the last k, None = the
            episode so far.
        causal: entry t depends on frames 0..t only; only a causal model may pay per step.
        needs_goal_image: a clip without a goal picture is an error.
        predicts_success: the model fills `Scores.success`.
        paper: where the method comes from, as ``arXiv:NNNN.NNNNN`` or a sentence.
        learns_goal_images: a critic is fitted to pictures of the goal, which may be drawn or edited.
        shaping: what an agent is paid unless the user says otherwise: the gain in score
            ("progress-delta"), or, where a score is the reward of the step itself, the score
            ("raw").
        state_key: the feature of a LeRobot data set that it reads as `Clip.robot_states`; None where
            it reads pictures alone.
        state_size: numbers of such a state, D; None where any will do.
    """

    name: str
    low: float
    high: float
    context: int | None
    causal: bool
    needs_goal_image: bool
    predicts_success: bool
    paper: str
    shaping: SpecShaping = "progress-delta"
    learns_goal_images: bool = False
    state_key: str | None = None
    state_size: int | None = None

    def __post_init__(self) -> None:
        if self.shaping not in get_args(SpecShaping):
            raise InvalidInputError(
                f"{self.name}: expected the shaping to be one of {get_args(SpecShaping)}; "
                f"got {self.shaping!r}."
            )

    def moves(self, lowest: float, highest: float) -> bool:
        """Whether scores of one episode between these two differ by enough to tell something of it:
        by more than `MIN_RANGE_SHARE` of the range, or of one without end by more than rounding."""
        span = self.high - self.low
        if np.isfinite(span):
            return highest - lowest > MIN_RANGE_SHARE * span
        return highest - lowest > ROUNDING * max(abs(lowest), abs(highest))

    def check_range(self, scores: Scores, owner: str = "") -> None:
        """Raise where a valid score lies outside the promised range by more than rounding.

        Args:
            scores: of one clip.
            owner: of the clip, for the message, such as "environment 3".

        Raises:
            InvalidScoreError: with the value and the range.
        """
        values = scores.value[scores.valid]
        bounds = [abs(bound) for bound in (self.low, self.high) if np.isfinite(bound)]
        rounding = ROUNDING * max([1.0, *bounds])
        outside = values[(values < self.low - rounding) | (values > self.high + rounding)]
        if len(outside):
            place = f" of {owner}" if owner else ""
            raise InvalidScoreError(
                f"reward {self.name!r}: a score{place} is {outside[0]:g}, outside the range "
                f"[{self.low:g}, {self.high:g}] that its spec promises: mend the model, or the "
                "promise."
            )


@runtime_checkable
class RewardModel(Protocol):
    """Anything that scores clips. One method serves offline judging and online reward."""

    @property
    def spec(self) -> RewardSpec:
        """The promise that `score` keeps."""
        ...

    def score(self, clips: Sequence[Clip]) -> list[Scores]:
        """Score every frame of every clip; entry i belongs to clip i and has its length."""
        ...


RecurrentState = Mapping[str, NDArray[Any]]
"""What an `IncrementalRewardModel` keeps of one episode, as named arrays, so that a run can be
saved and resumed; empty before the first frame. Its size does not grow with the episode."""


@runtime_checkable
class IncrementalRewardModel(RewardModel, Protocol):
    """A causal model that goes on from what it remembers: a step costs the same however long the
    episode is.

    The law: scoring a clip whole equals scoring it in parts, each going on from the state of the
    part before.
    """

    def score_step(
        self, clips: Sequence[Clip], states: Sequence[RecurrentState]
    ) -> tuple[list[Scores], list[RecurrentState]]:
        """Score the next frames of episodes.

        Args:
            clips: of each episode the frames that are new.
            states: of each episode what was returned with the frames before them; empty where there
                are none.

        Returns:
            Scores of the new frames, as `RewardModel.score` gives, and the states to go on from;
            those passed in are left as they were.
        """
        ...


@runtime_checkable
class StreamingRewardModel(RewardModel, Protocol):
    """A model that scores a clip whose frames come one by one, without holding all of them.

    The law: the scores are those of the whole clip, to the last bit.
    """

    def score_stream(
        self, frames: Iterable[Frame], instruction: str, goal_image: Frame | None = None
    ) -> Scores:
        """Score one clip.

        Args:
            frames: of one size, at least one.
            instruction: as of `Clip`.
            goal_image: as of `Clip`.
        """
        ...


@runtime_checkable
class RenderableVectorEnv(Protocol):
    """What the library expects of a vector environment beyond Gymnasium's own interface.

    Those of roborew_envs fit. Others can be wrapped and trained in too, at a price: all of them are
    rendered where one is asked for, and a run in them cannot be resumed exactly.
    """

    @property
    def cameras(self) -> tuple[str, ...]:
        """Names that the option ``camera`` can take, first the one that is used by default."""
        ...

    @property
    def resizable(self) -> bool:
        """Whether the options ``camera``, ``width`` and ``height`` are for the taking."""
        ...

    @property
    def expert(self) -> Callable[[NDArray[Any]], NDArray[np.float32]] | None:
        """A policy, observations (N, D) to actions (N, A), that shows how it is done; None where
        there is none, or none that acts on observations alone."""
        ...

    def render_frames(self, indices: NDArray[np.int64] | None = None) -> Video:
        """Return frames (n, H, W, 3) of the present states of some environments, all by default."""
        ...

    def get_state(self) -> dict[str, NDArray[Any]]:
        """Return all that decides the future, for `set_state`."""
        ...

    def set_state(self, snapshot: Mapping[str, NDArray[Any]]) -> None:
        """Go on where `get_state` was taken."""
        ...


RenderFrames = Callable[[NDArray[np.int64]], Video]
"""Renders the present state of some environments: indices (n,) -> frames (n, H, W, 3)."""


class WrappedEnv(Protocol):
    """What is read of any vector environment of Gymnasium, which this module cannot import."""

    @property
    def unwrapped(self) -> Any:
        """The environment below all wrappers."""
        ...

    def render(self) -> Any:
        """Render all environments."""
        ...


def renderable(env: WrappedEnv) -> RenderableVectorEnv | None:
    """Return the outermost layer of a wrapped environment that fits the protocol, None if none
    does."""
    layer: Any = env
    while not isinstance(layer, RenderableVectorEnv):
        if layer is env.unwrapped:
            return None
        layer = layer.env
    return layer


def frame_renderer(env: WrappedEnv) -> RenderFrames:
    """Return the function that renders chosen environments; one that only knows ``render()``
    renders all of them. What it returns is not checked."""
    inner = renderable(env)
    if inner is not None:
        return inner.render_frames

    def render_all(indices: NDArray[np.int64]) -> Video:
        pictures = env.render()
        if pictures is None:
            raise InvalidInputError(
                "frames: expected pictures, got None; make the environment with "
                "render_mode='rgb_array'."
            )
        chosen = [_one_frame(pictures, env_index) for env_index in indices.tolist()]
        return np.concatenate(chosen)

    return render_all


def _one_frame(pictures: Any, index: int) -> Video:
    """The picture of one environment, shape (1, H, W, 3), checked before it is joined with others:
    numpy would convert what is no uint8."""
    picture = pictures[index]
    video = cast(Any, picture)[None] if isinstance(picture, np.ndarray) else picture
    return check_video(video, f"frame of environment {index}")
