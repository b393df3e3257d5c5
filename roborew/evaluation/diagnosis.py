"""What held an agent back: its reward, or the agent itself?

Two gains over another policy tell, both from the same starts: how much more the agent is paid, and how much
better it truly does.

| truly | paid more | paid as much | paid less |
|---|---|---|---|
| better | taught | taught | taught |
| as well | unmoved | unmoved | unmoved |
| worse | exploited | blind | agent |

A gain counts where the 95 % interval of its paired mean leaves 0 out, and where it is no smaller than a
fifth of what the other policy differs by from start to start: below that no effect is called even small
(Cohen 1988). In truth it is one of true success at the end; where that is unknown, or does not tell them
apart, of true return.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from roborew.errors import InvalidInputError
from roborew.evaluation.episodes import Episode, Evaluation
from roborew.evaluation.statistics import Interval, mean_interval

SMALL_EFFECT = 0.2
"""Least gain that counts, in standard deviations of the other policy over its starts."""
Limit = Literal["taught", "unmoved", "exploited", "blind", "agent"]
Truth = Literal["success", "return"]
_WORSE: dict[int, Limit] = {1: "exploited", 0: "blind", -1: "agent"}
"""Sign of the gain in pay -> what held back an agent that truly does worse."""
_MEANINGS: dict[Limit, str] = {
    "taught": "does better in truth: the reward taught it.",
    "unmoved": "does as well in truth.",
    "exploited": "is paid more and does worse in truth: it exploits the reward. Show a critic such "
    "episodes as failures (--refit, or `roborew fit --swap-negatives`).",
    "blind": "is paid as much and does worse in truth: the reward does not see the difference. Give "
    "it another view, or more demonstrations.",
    "agent": "is paid less and does worse in truth: the reward ranks them rightly, and the agent is "
    "the limit. Train longer, or take another agent, before you change the reward.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedGain:
    """What one policy has more than another from the same starts.

    Attributes:
        mean: of the differences.
        interval: of this mean, 95 %.
        spread: standard deviation of the other policy over its starts.
    """

    mean: float
    interval: Interval
    spread: float

    @property
    def sign(self) -> int:
        """1 above 0, -1 below it, 0 where the interval holds it or it is too small to count."""
        if abs(self.mean) < SMALL_EFFECT * self.spread:
            return 0
        return int(self.interval.low > 0) - int(self.interval.high < 0)

    def __str__(self) -> str:
        return f"{self.mean:+.3g} ({self.interval.low:+.3g} to {self.interval.high:+.3g})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """An agent beside another policy.

    Attributes:
        limit: see the module.
        pay: what the agent is paid more for an episode, by the reward that it learned from.
        truth: its gain in truth.
        measured_by: whether that is of the share of episodes that succeed at their end, or of true
            returns.
    """

    limit: Limit
    pay: PairedGain
    truth: PairedGain
    measured_by: Truth

    def sentence(self, reference: str) -> str:
        """What it means, in words.

        Args:
            reference: name of the other policy.
        """
        figures = f"true {self.measured_by} {self.truth}, pay {self.pay}"
        return f"Beside {reference} the agent {_MEANINGS[self.limit]} {figures.capitalize()}."


def diagnose(agent: Evaluation, reference: Evaluation) -> Diagnosis | None:
    """Return what held the agent back beside another policy; None where nothing was scored, or the
    truth is unknown.

    Args:
        agent: its episodes.
        reference: of the same starts, paid by the same reward.

    Raises:
        InvalidInputError: they have other starts.
    """
    seeds = [[episode.seed for episode in one.episodes] for one in (agent, reference)]
    if seeds[0] != seeds[1]:
        raise InvalidInputError(
            f"diagnose: expected two policies from the same starts; got seeds {seeds[0][:3]}... and "
            f"{seeds[1][:3]}..."
        )
    pairs = list(zip(agent.episodes, reference.episodes, strict=True))
    pay = _gain([(ours.learned_return, theirs.learned_return) for ours, theirs in pairs])
    truth = _gain([(_success(ours), _success(theirs)) for ours, theirs in pairs])
    returns = _gain([(ours.true_return, theirs.true_return) for ours, theirs in pairs])
    measured_by: Truth = "success"
    # Where both succeed as often, the environment's own reward may still tell the faster one.
    if returns is not None and (truth is None or (truth.sign == 0 and returns.sign != 0)):
        measured_by, truth = "return", returns
    if pay is None or truth is None:
        return None
    limits: dict[int, Limit] = {1: "taught", 0: "unmoved", -1: _WORSE[pay.sign]}
    return Diagnosis(limit=limits[truth.sign], pay=pay, truth=truth, measured_by=measured_by)


def _success(episode: Episode) -> float | None:
    success = episode.success_at_end
    return None if success is None else float(success)


def _gain(pairs: Sequence[tuple[float | None, float | None]]) -> PairedGain | None:
    """The gain over pairs; None where there are too few, or one is unknown."""
    values = np.array(pairs, dtype=np.float64)  # None becomes NaN
    if len(pairs) < 2 or not np.isfinite(values).all():
        return None
    ours, theirs = values.T
    differences = ours - theirs
    return PairedGain(
        mean=float(differences.mean()),
        interval=mean_interval(differences),
        spread=float(theirs.std(ddof=1)),
    )
