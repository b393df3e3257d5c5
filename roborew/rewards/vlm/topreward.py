"""TOPReward: how probable "True" is after a video and the statement that it shows the task done
(arXiv:2602.19313)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from roborew.errors import InvalidInputError
from roborew.judges.config import DEFAULT_JUDGE, JudgeConfig
from roborew.judges.parsing import (
    Abstention,
    expected_value,
    log_odds,
    probability_mass,
)
from roborew.judges.types import Judge, Question
from roborew.rewards.prefix_frames import Prefix
from roborew.rewards.vlm.base import MarkedQuestion
from roborew.rewards.vlm.prefix import PrefixReward
from roborew.rewards.vlm.released.template import RELEASED, TOPREWARD, Template
from roborew.rewards.vlm.scales import Scale
from roborew.types import RewardSpec

MAX_LOG_ODDS = 100.0
"""Log-odds and log-probabilities saturate here [nat]; 16-bit numbers resolve nothing beyond."""
STATEMENT = """
The video above shows a robot that completes this task, quoted: "{task}".
Is this statement about the whole task true or false?
Answer:"""

Reading = Literal["log-odds", "log-probability", "probability"]

RANGES: Mapping[Reading, tuple[float, float]] = {
    "log-odds": (-MAX_LOG_ODDS, MAX_LOG_ODDS),
    "log-probability": (-MAX_LOG_ODDS, 0.0),
    "probability": (0.0, 1.0),
}


@dataclass(frozen=True, slots=True)
class TrueFalse(Scale):
    """Two words, the one for true first.

    Attributes:
        reading: what is read of their probabilities.
    """

    reading: Reading

    def from_probabilities(
        self, log_probs: Mapping[str, float], min_prob_mass: float
    ) -> float | Abstention:
        """Return ``log P(True) - log P(False)``, ``log P(True)``, or P(True) of the two."""
        true, false = self.values
        if self.reading == "probability":
            return expected_value(log_probs, self.values, min_prob_mass)
        if self.reading == "log-odds":
            value = log_odds(log_probs, true, false, min_prob_mass)
        else:
            value = probability_mass(log_probs, (true, false), min_prob_mass)
        if isinstance(value, Abstention):
            return value
        if self.reading == "log-probability":
            # The mass was needed only to tell whether the answer can be trusted.
            value = log_probs[true]
        low, high = RANGES[self.reading]
        return min(max(value, low), high)


class TopReward(PrefixReward):
    """The log-odds of "True", prefix by prefix.

    The published score is normalized by the smallest and largest value of the whole episode, which
    no step can know while it runs; here it stays as it is. It grows with the length of the video
    even where nothing moves: look at the sanity baseline of a static video before it is believed.

    Args:
        judge: configuration of the judge, or a judge; it must give probabilities.
        max_frames: frames shown at most, spread over the episode so far.
        fps: frames per second of the clips.
        reading: "log-odds" of True over False; "log-probability" of True, as published; or the
            "probability" of True among the two.
        chat_template: ask in the model's chat template; bare text, as published, orders
            progress far better.
        prompt: "released", the published text; "general", roborew's own, which quotes the task;
            or a file with {task} and <video> in place of the published one.
        device: torch device of a judge in this process.

    Raises:
        InvalidInputError: the judge gives no probabilities.
    """

    RENAMED: ClassVar[Mapping[str, str]] = {**PrefixReward.RENAMED, "template": "chat_template"}
    UNREAD_SETTINGS: ClassVar[tuple[str, ...]] = ("nonce_seed", "parse_text")
    DEFAULT_MIN_PROB_MASS: ClassVar[float] = 0.0  # as published

    def __init__(
        self,
        *,
        judge: JudgeConfig | Judge = DEFAULT_JUDGE,
        max_frames: int = 16,
        fps: float = 2.0,
        reading: Reading = "log-odds",
        chat_template: bool = False,
        prompt: str = RELEASED,
        device: str = "cpu",
    ) -> None:
        super().__init__("topreward", judge, device, max_frames=max_frames, fps=fps)
        if not self.judge.gives_probabilities:
            raise InvalidInputError(
                f"topreward reads probabilities, which {self.judge.identity} does not give; use "
                "judge.backend=transformers, or a server that returns them."
            )
        blank = "" if chat_template else " "  # bare text goes on with a blank
        worth = {f"{blank}True": 1.0, f"{blank}False": 0.0}
        self.scales = (TrueFalse(worth, "True or False", reading),)
        self._chat_template = chat_template
        own = Template(f"<video>{STATEMENT}", "<video>")
        self._template = TOPREWARD.choose(prompt, self.judge.identity) or own
        low, high = RANGES[reading]
        self.spec = RewardSpec(
            name="topreward",
            low=low,
            high=high,
            context=None,
            causal=True,
            needs_goal_image=False,
            predicts_success=False,
            paper="arXiv:2602.19313",
        )

    def prefix_questions(self, prefix: Prefix) -> list[MarkedQuestion]:
        """Return the one question, whose text stops right before the answer's word."""
        question = Question(
            parts=self._template.parts(prefix.instruction, [prefix.video]),
            choices=tuple(self.scales[0].values),
            max_tokens=0,
            chat=self._chat_template,
            fps=prefix.fps,
        )
        # No tags to mark: the answer is read from probabilities, not from a text.
        return [MarkedQuestion(question, nonce="")]
