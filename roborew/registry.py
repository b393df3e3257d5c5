"""Names for the parts that a user chooses: data first, imported only when one is used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from roborew.errors import InvalidInputError, MissingBackendError, UnknownNameError


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a part lives and what it is.

    Attributes:
        target: ``"package.module:attribute"``, imported by `Registry.load`.
        summary: one line for ``roborew list``.
    """

    target: str
    summary: str


class Registry(Mapping[str, Entry]):
    """A mapping from name to `Entry` of one kind of part.

    >>> codecs = Registry("codec")
    >>> codecs.register("json", "json:loads", "text in, objects out")
    >>> codecs.load("json")("[1]")
    [1]
    >>> codecs.load("jsn")
    Traceback (most recent call last):
        ...
    roborew.errors.UnknownNameError: unknown codec 'jsn'. Did you mean 'json'? Available: json.
    """

    def __init__(self, kind: str, entries: Mapping[str, Entry] | None = None) -> None:
        self.kind = kind
        self._entries: dict[str, Entry] = {}
        for name, entry in (entries or {}).items():
            self.register(name, entry.target, entry.summary)

    def register(self, name: str, target: str, summary: str = "") -> None:
        """Add a part under a new name; nothing is imported.

        Raises:
            InvalidInputError: the name is taken, or ``target`` is not ``"module:attribute"``.
        """
        if name in self._entries:
            taken = self._entries[name].target
            raise InvalidInputError(
                f"{self.kind} {name!r} is already {taken}; register {target} under another name."
            )
        module, _, attribute = target.partition(":")
        if not module or not attribute.isidentifier():
            raise InvalidInputError(
                f"{self.kind} {name!r}: expected 'package.module:attribute'; got {target!r}."
            )
        self._entries[name] = Entry(target, summary)

    def load(self, name: str) -> Any:
        """Import and return the part called ``name``.

        Raises:
            UnknownNameError: no such name; the message offers close matches and the list.
            MissingBackendError: its module, or what that module needs, is not installed.
        """
        target = self[name].target
        module, _, attribute = target.partition(":")
        try:
            return getattr(import_module(module), attribute)
        except ImportError as error:
            raise MissingBackendError(
                f"{self.kind} {name!r} ({target}) cannot be imported: {error}."
            ) from error
        except AttributeError as error:
            raise InvalidInputError(
                f"{self.kind} {name!r}: {module} has no {attribute!r}."
            ) from error

    def __getitem__(self, name: str) -> Entry:
        if name not in self._entries:
            raise UnknownNameError(self.kind, name, self._entries)
        return self._entries[name]

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


rewards = Registry(
    "reward",
    {
        "mini": Entry(
            "roborew.rewards.mini:Mini", "text and image progress model, shipped in the wheel"
        ),
        "clip": Entry(
            "roborew.rewards.clip:ClipReward",
            "similarity of picture and sentence: CLIP, SigLIP, VLM-RM",
        ),
        "goal_image": Entry(
            "roborew.rewards.goal_image:GoalImage", "distance to a goal picture in an embedding"
        ),
        "roboreward": Entry(
            "roborew.rewards.vlm.roboreward:RoboReward", "a judge grades the last frame from 1 to 5"
        ),
        "verifier": Entry(
            "roborew.rewards.vlm.verifier:Verifier", "a judge's expected grade over twenty letters"
        ),
        "topreward": Entry(
            "roborew.rewards.vlm.topreward:TopReward", "a judge's log-odds that the task is done"
        ),
        "gvl": Entry(
            "roborew.rewards.vlm.gvl:GVL", "a judge orders shuffled frames; whole clips only"
        ),
        "vlac": Entry(
            "roborew.rewards.vlm.vlac:Vlac",
            "a judge compares successive frames, and says when it is done",
        ),
        "robo_dopamine": Entry(
            "roborew.rewards.vlm.robo_dopamine:RoboDopamine",
            "hops from frame, start and goal picture",
        ),
        "robofume": Entry(
            "roborew.rewards.vlm.robofume:RoboFuME", "a judge says of each frame whether it is done"
        ),
    },
)
agents = Registry(
    "agent",
    {
        "ppo": Entry("roborew.agents.ppo:PPO", "our own PPO over many simulations"),
        "sb3-ppo": Entry("roborew.agents.sb3:SB3PPO", "PPO of Stable-Baselines3"),
        "sb3-sac": Entry("roborew.agents.sb3:SB3SAC", "SAC of Stable-Baselines3"),
    },
)
critics = Registry(
    "critic",
    {
        "goal_classifier": Entry(
            "roborew.critics.objectives.vice:Vice",
            "ensemble that tells goals from the rest (VICE)",
        ),
        "progress": Entry(
            "roborew.critics.objectives.robometer:Robometer",
            "causal transformer: progress, success, order",
        ),
        "hop": Entry(
            "roborew.critics.objectives.grm:Grm", "hops from frame, start and goal, fused; one-shot"
        ),
        "pair": Entry(
            "roborew.critics.objectives.vlac_pairs:VlacPairs",
            "signed progress between two frames, summed up",
        ),
        "liv": Entry(
            "roborew.critics.objectives.liv:Liv", "frames and sentences in one space, by time (LIV)"
        ),
        "tcc": Entry(
            "roborew.critics.objectives.tcc:Tcc",
            "distance to the goal where demonstrations align (XIRL)",
        ),
        "vip": Entry(
            "roborew.critics.objectives.vip:Vip",
            "distance to the goal in frames, learned from time alone",
        ),
        "perceptual": Entry(
            "roborew.critics.objectives.perceptual:Perceptual", "a Gaussian a step, nothing trained"
        ),
        "preference": Entry(
            "roborew.critics.objectives.bradley_terry:BradleyTerry",
            "what explains which piece is better",
        ),
        "transport": Entry(
            "roborew.critics.objectives.temporal_ot:TemporalOT",
            "cost of moving a whole episode onto one",
        ),
        "ranking_clip": Entry(
            "roborew.critics.objectives.clip_adapter:ClipAdapter",
            "adapters on frames and sentences, by ranking",
        ),
        "adversarial": Entry(
            "roborew.critics.objectives.gail:Gail", "GAIL and AIRL from observations"
        ),
        "ridge": Entry(
            "roborew.critics.objectives.ridge:Ridge",
            "closed-form probe on embedded frames, the baseline",
        ),
        "stages": Entry(
            "roborew.critics.objectives.sarm:Sarm",
            "subtasks found by themselves (VLA-RL, SARM)",
        ),
    },
)
encoders = Registry(
    "encoder",
    {
        "conv": Entry(
            "roborew.encoders.conv:ConvEncoder",
            "small convolutions fitted to the demonstrations themselves",
        ),
        "mini": Entry(
            "roborew.encoders.mini:MiniEncoder", "the picture layers of mini, frozen and shipped"
        ),
        "tower": Entry(
            "roborew.encoders.pretrained:TowerEncoder",
            "a pretrained tower, frozen: open_clip, timm, DINOv2, ...",
        ),
    },
)
judges = Registry(
    "judge",
    {
        "transformers": Entry(
            "roborew.judges.local:LocalJudge", "a vision-language model in this process"
        ),
        "openai": Entry(
            "roborew.judges.server:ServerJudge",
            "any OpenAI-compatible server, such as vLLM or SGLang",
        ),
        "recorded": Entry(
            "roborew.judges.recorded:RecordedJudge", "stored answers, replayed by exact question"
        ),
    },
)
