"""TOPReward: how probable "True" is after a video and the statement that it shows the task done
(arXiv:2602.19313)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from roborew.errors import InvalidInputError
from roborew.judges.parsing import (
    Abstention,
    expected_value,
    log_odds,
    probability_mass,
    sanitize_instruction,
)
from roborew.judges.types import Judge, Question
from roborew.rewards.vlm.base import Cost, MarkedQuestion, Scale
from roborew.rewards.vlm.prefix import Prefix, PrefixReward
from roborew.types import RewardSpec

MAX_LOG_ODDS = 100.0
"""Log-odds and log-probabilities saturate here [nat]; 16-bit numbers resolve nothing beyond."""
STATEMENT = """
The video above shows a robot that completes this task, quoted: "{goal}".
Is this statement about the whole task true or false?
Answer:"""

Reading = Literal["log-odds", "log-probability", "probability"]


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
            odds = log_odds(log_probs, true, false, min_prob_mass)
            return (
                odds
                if isinstance(odds, Abstention)
                else min(max(odds, -MAX_LOG_ODDS), MAX_LOG_ODDS)
            )
        mass = probability_mass(log_probs, (true, false), min_prob_mass)
        return (
            mass if isinstance(mass, Abstention) else min(max(log_probs[true], -MAX_LOG_ODDS), 0.0)
        )


class TopReward(PrefixReward):
    """The log-odds of "True", prefix by prefix.

    The published score is normalised by the smallest and largest value of the whole episode, which
    no step can know while it runs; here it stays as it is. It grows with the length of the video
    even where nothing moves: look at the null of a static video before it is believed.
    """

    RENAMED: ClassVar[Mapping[str, str]] = {**PrefixReward.RENAMED, "template": "chat_template"}

    def __init__(
        self,
        *,
        judge: str | Judge = "transformers",
        judge_options: tuple[str, ...] = (),
        cache: Path | None = None,
        min_prob_mass: float = 0.0,
        max_frames: int = 16,
        fps: float = 2.0,
        reading: Reading = "log-odds",
        chat_template: bool = False,
        device: str = "cpu",
    ) -> None:
        """Open the judge.

        Args:
            judge: a registered judge, or one; it must tell probabilities.
            judge_options: its settings, ``key=value``.
            cache: file of stored answers.
            min_prob_mass: probability that "True" and "False" must hold together; the paper asks for
                none.
            max_frames: shown at most, spread over the episode so far.
            fps: frames per second of the clips.
            reading: "log-odds" of True over False; "log-probability" of True, as published; or the
                "probability" of True among the two.
            chat_template: ask in the model's chat template; bare text, as published, orders progress far
                better.
            device: for a judge in this process.

        Raises:
            InvalidInputError: the judge tells no probabilities.
        """
        shared = ("topreward", judge, judge_options, cache, None, min_prob_mass, False, device)
        super().__init__(*shared, max_frames=max_frames, fps=fps)
        if not self.judge.gives_probabilities:
            raise InvalidInputError(
                f"topreward reads probabilities, which {self.judge.identity} does not tell; use "
                f"judge=transformers, "
                "or a server that returns them."
            )
        low = {"log-odds": -MAX_LOG_ODDS, "log-probability": -MAX_LOG_ODDS, "probability": 0.0}[
            reading
        ]
        high = {"log-odds": MAX_LOG_ODDS, "log-probability": 0.0, "probability": 1.0}[reading]
        blank = "" if chat_template else " "  # bare text goes on with a blank
        self.scales = (
            TrueFalse({f"{blank}True": 1.0, f"{blank}False": 0.0}, "True or False", reading),
        )
        self._chat_template = chat_template
        self.cost = Cost(per_frame=1, pictures=max_frames)
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
        parts = (prefix.video, STATEMENT.format(goal=sanitize_instruction(prefix.instruction)))
        words = tuple(self.scales[0].values)
        return [
            MarkedQuestion(
                Question(
                    parts=parts,
                    choices=words,
                    max_tokens=0,
                    chat=self._chat_template,
                    fps=prefix.fps,
                ),
                "",
            )
        ]
