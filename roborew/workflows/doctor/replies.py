"""What a reward makes of a short video: are the judge's replies read, and does the score follow the task?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from roborew.evaluation import score_curve
from roborew.judges.types import Answer
from roborew.rewards.preferences import PreferenceLabel
from roborew.rewards.vlm.base import REMEDIES
from roborew.types import RewardSpec, Scores
from roborew.workflows.doctor.check import Check

MIN_READ_SHARE = 0.75
"""Of the replies: a judge that abstains more often hardly ever pays."""
MAX_REPLY_CHARACTERS = 80
"""Of a reply that is quoted."""
ON_VIDEOS = "try `roborew score` on videos of your own, good and bad, before it trains anything"


def check_replies(answers: Sequence[Answer], abstentions: Mapping[str, int]) -> Check:
    """How many replies the reward could read.

    Args:
        answers: to its questions.
        abstentions: reason -> replies that gave nothing for it.
    """
    unread = sum(abstentions.values())
    finding = f"{len(answers) - unread} of {len(answers)} are read"
    remedy = ""
    ok = len(answers) - unread >= MIN_READ_SHARE * len(answers)
    if unread:
        reason = max(abstentions, key=abstentions.__getitem__)
        finding += f"; {reason}, such as {_example(answers)}"
        remedy = REMEDIES.get(reason, "take another model, or another reward")
    return Check(name="replies", ok=ok, needed=True, finding=finding, remedy=remedy)


def _example(answers: Sequence[Answer]) -> str:
    """An abstention if there is one, else the last reply."""
    texts = [answer.text or "no text" for answer in answers]
    reasons = [answer.abstained for answer in answers if answer.abstained]
    example = (reasons or texts)[-1]
    return ascii(example[:MAX_REPLY_CHARACTERS])


def check_score(spec: RewardSpec, scores: Scores) -> Check:
    """Whether there is a score, and whether it rises while a task is done."""
    curve = score_curve(scores)
    valid = curve[np.isfinite(curve)]
    if not len(valid):
        finding = "it gives not one picture of the video a score"
        return Check(name="score", ok=False, needed=True, finding=finding, remedy=ON_VIDEOS)
    first, last = float(valid[0]), float(valid[-1])
    ok = last > first and spec.moves(first, last)
    finding = f"{first:.3g} at the start of a drawn video, {last:.3g} when its task is done"
    remedy = "" if ok else f"drawings may be strange to it; {ON_VIDEOS}"
    return Check(name="score", ok=ok, needed=False, finding=finding, remedy=remedy)


def check_backward(forward: Scores, backward: Scores) -> Check:
    """Whether what rises while a task is done does so less while the same video is played backward: a
    judge that favors the picture shown last says of both that they gain.

    Args:
        forward: of the video.
        backward: of the same, its last frame first.
    """
    gains: list[float] = []
    for scores in (forward, backward):
        curve = score_curve(scores)
        valid = curve[np.isfinite(curve)]
        gains.append(float(valid[-1] - valid[0]) if len(valid) else np.nan)
    ok = gains[0] > gains[1]
    finding = f"gains {gains[0]:+.3g} forward and {gains[1]:+.3g} played backward"
    remedy = "" if ok else f"it may favor what is shown last; {ON_VIDEOS}"
    return Check(name="both directions", ok=ok, needed=False, finding=finding, remedy=remedy)


def check_label(label: PreferenceLabel) -> list[Check]:
    """Whether the last picture of the video is said to be better than the first, in both orders.

    Args:
        label: of the pair of the first and the last.
    """
    checks: list[Check] = []
    if label.agreed is not None:
        kind = "the same" if label.agreed else "different"
        finding = f"{kind} label of one pair in both orders"
        remedy = "" if label.agreed else "such pairs are left out: take a stronger model"
        name = "both orders"
        check = Check(name=name, ok=label.agreed, needed=True, finding=finding, remedy=remedy)
        checks.append(check)
    ok = label.label == 1
    finding = "of a drawn task it prefers the picture in which it is done"
    if label.label is None:
        finding = f"it prefers neither picture of a drawn task: {label.reason or 'a tie'}"
    elif not ok:
        finding = "of a drawn task it prefers the picture in which it is not done"
    remedy = "" if ok else "drawings may be strange to it; look at its labels with `roborew label`"
    return [*checks, Check(name="label", ok=ok, needed=False, finding=finding, remedy=remedy)]
