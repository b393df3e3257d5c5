"""A fitted critic: an encoder and an objective that pay an agent, and the folder they live in."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load, save

from roborew.config import parse_options, to_json
from roborew.critics.calibration import Calibration
from roborew.critics.ensemble import PreferenceEnsemble, make_objective
from roborew.critics.objective import Objective, Query
from roborew.critics.recipe import checked_recipe
from roborew.encoders.base import Encoder, ShrinkingEncoder
from roborew.encoders.multi_view import MultiViewEncoder
from roborew.errors import CorruptFileError, InvalidInputError
from roborew.learning.episode_layout import split_by_length
from roborew.registry import encoders
from roborew.short_repr import reward_repr
from roborew.storage.atomic import explain_full_disk, write_synced
from roborew.storage.checkpoints import select_prefix
from roborew.storage.json_files import read_bounded, read_json_object
from roborew.storage.plain import inside
from roborew.storage.staging import Target, new_folder
from roborew.types import Clip, Frame, RecurrentState, RewardSpec, Scores, stack_frames

CONFIG, MODEL, CARD, GOALS = "config.json", "model.safetensors", "card.md", "goals"
BEFORE = "success_before"
"""In a memory: the chance that the goal held in the frame before, shape (1,)."""
FORMAT = 1
MAX_MODEL_BYTES = 2**30
"""A critic is small; what is larger is none."""


class Critic:
    """A reward model learned from demonstrations; see `roborew.types.IncrementalRewardModel`.

    Args:
        name: of the objective in `roborew.registry.critics`.
        objective: fitted.
        encoder: what the objective was fitted on.
        recipe: the settings of both, as words: ``objective``, ``encoder_name``, ``encoder``; the
            ``cameras`` whose pictures lie side by side in a frame, with the ``aspect`` (width /
            height) of one of them; the ``sentences`` and the ``fps`` (None: every frame) that it
            was fitted to.
        calibration: from scores to calibrated progress; none if not given.
    """

    __repr__ = reward_repr

    def __init__(
        self,
        name: str,
        objective: Objective,
        encoder: Encoder,
        recipe: Mapping[str, Any],
        calibration: Calibration | None = None,
    ) -> None:
        self.name = name
        self.objective = objective
        self.encoder = encoder
        self.recipe = dict(recipe)
        self.calibration = calibration
        self._texts: dict[str, NDArray[np.float32]] = {}

    @property
    def spec(self) -> RewardSpec:
        """The objective's promise; calibrated scores lie in [0, 1], and a claim takes one frame
        more than a score."""
        spec = replace(self.objective.spec, name=self.name)
        if self.calibration is not None:
            predicts_success = spec.predicts_success or self.calibration.success is not None
            spec = replace(spec, low=0.0, high=1.0, predicts_success=predicts_success)
        if spec.context is None or not spec.predicts_success:
            return spec
        # Success is the smaller chance of two frames in a row, see `score_step`.
        return replace(spec, context=spec.context + 1)

    @property
    def cameras(self) -> tuple[str, ...]:
        """Whose pictures lie side by side in a frame; usually one, and none where nobody wrote it
        down."""
        return tuple(self.recipe.get("cameras", ()))

    @property
    def sentences(self) -> tuple[str, ...]:
        """What the demonstrations that it was fitted to show; none where nobody wrote it down."""
        return tuple(self.recipe.get("sentences", ()))

    @property
    def fps(self) -> float | None:
        """About so many frames of each second were fitted [1/s]; None: every frame, or nobody wrote
        it down."""
        return self.recipe.get("fps")

    def score(self, clips: Sequence[Clip]) -> list[Scores]:
        """Score whole clips."""
        return self.score_step(clips, [{} for _ in clips])[0]

    def member_values(self, clips: Sequence[Clip]) -> list[NDArray[np.float64]]:
        """What each member of an ensemble that learned from preferences says of each clip's frames,
        shape (members, T) each; one row where there is no such ensemble."""
        if isinstance(self.objective, PreferenceEnsemble):
            return self.objective.member_values(self._queries(clips, [{} for _ in clips]))
        return [scores.value[None].astype(np.float64) for scores in self.score(clips)]

    @property
    def aspect(self) -> float | None:
        """Width of a picture that it was fitted to divided by its height; None where nobody wrote it
        down."""
        return self.recipe.get("aspect")

    @property
    def streams(self) -> bool:
        """Whether `score_stream` keeps no frame at its full size."""
        return isinstance(self.encoder, ShrinkingEncoder)

    def score_stream(
        self, frames: Iterable[Frame], instruction: str, goal_image: Frame | None = None
    ) -> Scores:
        """Score one clip whose frames come one by one, to the last bit as `score` does; each is kept
        as small as the encoder reads it, if it can say how small that is."""
        if isinstance(self.encoder, ShrinkingEncoder):
            shrink = self.encoder.shrink
            first, *_ = ahead = list(islice(frames := iter(frames), 1))
            # A goal of the frames' size is encoded together with them.
            if goal_image is not None and goal_image.shape == first.shape:
                goal_image = shrink(goal_image)
            frames = map(shrink, chain(ahead, frames))
        video = stack_frames(frames)
        return self.score([Clip(frames=video, instruction=instruction, goal_image=goal_image)])[0]

    def score_step(
        self, clips: Sequence[Clip], states: Sequence[RecurrentState]
    ) -> tuple[list[Scores], list[RecurrentState]]:
        """Score the next frames of episodes; see `roborew.types.IncrementalRewardModel`.

        `Scores.success` is the smaller chance of a frame and the one before: an agent ends its
        episode by the first claim, so one frame that is taken for a success would be enough to
        fail.

        Raises:
            InvalidInputError: a goal picture is needed and missing.
        """
        if not clips:
            return [], []
        queries = self._queries(clips, states)
        scores, following = self.objective.score_step(queries)
        if self.calibration is not None:
            scores = [self.calibration.apply(score) for score in scores]
        in_a_row = [
            _two_in_a_row(score, memory.get(BEFORE))
            for score, memory in zip(scores, states, strict=True)
        ]
        states_after: list[RecurrentState] = [
            {**memory, **last} for memory, (_, last) in zip(following, in_a_row, strict=True)
        ]
        return [score for score, _ in in_a_row], states_after

    def save_pretrained(
        self,
        folder: Target,
        card: str = "",
        extra_files: Mapping[str, bytes] = MappingProxyType({}),
    ) -> Path:
        """Write config.json, model.safetensors and card.md into a new folder, which appears whole, and
        return it.

        Args:
            folder: must not exist; of several the first one that is free is taken.
            card: content of card.md.
            extra_files: further files by their path in the folder, such as the card's picture.

        Raises:
            RunExistsError: the folder exists; nothing was written.
        """
        content = self._packed_arrays()
        config = {
            "format": FORMAT,
            "kind": "critic",
            "critic": self.name,
            "recipe": self.recipe,
            "encoder_identity": self.encoder.identity,
            "calibration": None if self.calibration is None else self.calibration.state_dict(),
            "sha256": hashlib.sha256(content).hexdigest(),
        }
        files = {
            MODEL: content,
            CARD: card.encode(),
            **extra_files,
            CONFIG: (json.dumps(to_json(config), indent=1) + "\n").encode(),
        }
        size = sum(map(len, files.values()))
        with explain_full_disk(Path("the critic"), size), new_folder(folder) as staged:
            for name, part in files.items():
                (staged.staging / name).parent.mkdir(exist_ok=True)
                write_synced(staged.staging / name, part)
        return staged.path

    def _packed_arrays(self) -> bytes:
        """Everything learned as the content of a safetensors file."""
        parts = {"encoder": self.encoder.state_dict(), "objective": self.objective.state_dict()}
        arrays = {
            f"{part}/{name}": np.asarray(array, order="C")
            for part, state in parts.items()
            for name, array in state.items()
        }
        return save(arrays)

    @classmethod
    def from_pretrained(cls, folder: str | Path, device: str = "cpu") -> Self:
        """Read what `save_pretrained` wrote.

        Raises:
            InvalidInputError: no critic in the folder.
            CorruptFileError: the checksum or the arrays do not fit.
        """
        # Not when a command line is read: torch is slow to import.
        from roborew.weights.budget import NetworkBudget
        from roborew.weights.folder import explain

        path = Path(folder)
        config, content = read_config(path), _read(path / MODEL)
        if hashlib.sha256(content).hexdigest() != config.get("sha256"):
            raise CorruptFileError(
                f"{path}: {MODEL} does not have the sha256 of {CONFIG}; copy the folder anew."
            )
        recipe = checked_recipe(config, str(path / CONFIG))
        with explain(f"{path}: the critic's {CONFIG} or {MODEL}"):
            arrays = load(content)
            _check_finite(arrays, path)
            state = config["calibration"]
            calibration = None if state is None else Calibration.from_state_dict(state)
            with NetworkBudget((array.size for array in arrays.values()), path / MODEL):
                objective = make_objective(
                    config["critic"], recipe["objective"], recipe.get("members", 1)
                )
                encoder = _make_encoder(recipe, device)
                encoder.load_state_dict(select_prefix(arrays, "encoder/"))
                objective.load_state_dict(select_prefix(arrays, "objective/"))
        if encoder.identity != config.get("encoder_identity"):
            raise CorruptFileError(
                f"{path}: fitted on encoder {config.get('encoder_identity')!r}; this one is "
                f"{encoder.identity!r}."
            )
        return cls(config["critic"], objective, encoder, recipe, calibration)

    def _queries(self, clips: Sequence[Clip], memories: Sequence[RecurrentState]) -> list[Query]:
        goals = [clip.goal_image for clip in clips]
        if self.objective.spec.needs_goal_image and any(goal is None for goal in goals):
            raise InvalidInputError(
                f"critic {self.name!r} compares with a picture of the goal: give one."
            )
        pictures = [clip.frames for clip in clips] + [
            goal[None] for goal in goals if goal is not None
        ]
        same = len({picture.shape[1:] for picture in pictures}) == 1
        if same:
            lengths = [len(picture) for picture in pictures]
            vectors = split_by_length(self.encoder.encode(np.concatenate(pictures)), lengths)
        else:
            vectors = [self.encoder.encode(picture) for picture in pictures]
        rest = iter(vectors[len(clips) :])
        return [
            Query(
                features=vector,
                instruction=clip.instruction,
                text_embedding=self._text(clip.instruction),
                goal_image=None if clip.goal_image is None else next(rest)[0],
                state={name: array for name, array in memory.items() if name != BEFORE},
            )
            for clip, vector, memory in zip(clips, vectors, memories, strict=False)
        ]

    def _text(self, sentence: str) -> NDArray[np.float32]:
        if sentence not in self._texts:
            self._texts[sentence] = self.encoder.encode_text(sentence)
        return self._texts[sentence]


def _two_in_a_row(scores: Scores, before: NDArray[Any] | None) -> tuple[Scores, RecurrentState]:
    """Scores whose success is that of two frames in a row, a first one counting twice, and what to
    remember."""
    if scores.success is None:
        return scores, {}
    chances = np.where(scores.valid, scores.success, 0)
    own = chances.astype(np.float32)
    first = own[:1] if before is None else before
    earlier = np.concatenate([first, own[:-1]])
    success = np.minimum(own, earlier)
    state: RecurrentState = {BEFORE: own[-1:]}
    return replace(scores, success=success), state


def _make_encoder(recipe: Mapping[str, Any], device: str) -> Encoder:
    """The encoder of a recipe, without what it learned."""
    make = encoders.load(recipe["encoder_name"])
    encoder: Encoder = make(**{"device": device, **parse_options(make, recipe["encoder"])})
    cameras = recipe.get("cameras", ())
    if len(cameras) > 1:
        return MultiViewEncoder(encoder, cameras, recipe["aspect"])
    return encoder


def _check_finite(arrays: Mapping[str, NDArray[Any]], folder: Path) -> None:
    floating = {name: array for name, array in arrays.items() if array.dtype.kind == "f"}
    names = sorted(name for name, array in floating.items() if not np.isfinite(array).all())
    if names:
        raise CorruptFileError(
            f"{folder / MODEL}: {', '.join(names[:4])} is NaN or infinite, so its scores mean nothing."
        )


def is_critic(folder: str | Path) -> bool:
    """Whether a folder holds a critic."""
    path = Path(folder) / CONFIG
    return path.is_file() and read_config(Path(folder)).get("kind") == "critic"


def read_config(folder: Path) -> dict[str, Any]:
    """The config.json of a folder.

    Raises:
        InvalidInputError: there is none.
        CorruptFileError: it is no JSON object.
    """
    _check_exists(folder / CONFIG)
    return read_json_object(inside(folder / CONFIG, folder))


def _read(path: Path) -> bytes:
    _check_exists(path)
    return read_bounded(inside(path, path.parent), MAX_MODEL_BYTES)


def _check_exists(path: Path) -> None:
    if not path.is_file():
        raise InvalidInputError(
            f"{path.parent}: no {path.name}; a critic is a folder of {CONFIG}, {MODEL} and {CARD}."
        )
