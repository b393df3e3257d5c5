"""What brings a critic's score up, the hand or the object: the swap test.

Held-out experts are played again from their seeds and drawn twice more, with the hand moved on alone
(all else stays at its start) and with the objects moved on alone (the robot stays at its start). The
share of a whole episode's rise that either brings says what a critic reads, which its order of an
expert's frames cannot.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from roborew.data.demonstration import Demonstration
from roborew.errors import first_line
from roborew.evaluation import Measure, rise, rise_share, score_curve
from roborew.learning.examples import Example
from roborew.types import Clip
from roborew.workflows.fit.fit import Fitted
from roborew.workflows.fit.replay import can_be_replayed
from roborew.workflows.fit.swap_films import draw_swap
from roborew_envs.errors import RenderError

HAND, OBJECT = "rise by the hand alone", "rise by the object alone"
"""The figures, as they are called in tables."""
MAX_EXPERTS = 4
"""Episodes that are drawn again, at most."""
NO_EXPERT = (
    "it takes held-out experts, recorded in an environment that is installed here, whose robot moves other "
    "things"
)
NOT_ALIKE = "the held-out experts, played again, move nothing or do not look as they were recorded"
NO_RISE = "the score of whole experts, drawn again, does not rise"


def swap_shares(
    fitted: Fitted, examples: Sequence[Example], clips: Sequence[Clip]
) -> dict[str, Measure]:
    """`HAND` and `OBJECT` of a critic; missing, with the reason as their flag, where no expert can
    be drawn again.

    Args:
        fitted: the critic and its demonstrations.
        examples: episodes that were held out.
        clips: what the critic sees of them.
    """
    by_name = {demonstration.name: demonstration for demonstration in fitted.demonstrations}
    experts = [
        (by_name[example.name], clip)
        for example, clip in zip(examples, clips, strict=True)
        if example.success and can_be_replayed(by_name[example.name])
    ]
    if not experts:
        return _missing(NO_EXPERT)
    try:
        films = _draw_all(fitted, experts[:MAX_EXPERTS])
    except RenderError as error:
        return _missing(first_line(error))
    if not films["whole"]:
        return _missing(NOT_ALIKE)

    # One batch: an encoder of pictures is slow to ask.
    scores = fitted.critic.score([*films["whole"], *films["hand"], *films["thing"]])
    rises = [rise(score_curve(curve)) for curve in scores]
    count = len(films["whole"])
    full = rises[:count]
    by_hand = rises[count : 2 * count]
    by_thing = rises[2 * count :]
    shares = {HAND: rise_share(by_hand, full), OBJECT: rise_share(by_thing, full)}
    is_measured = all(share.value is not None for share in shares.values())
    return shares if is_measured else _missing(NO_RISE)


def describe_swap(row: Mapping[str, Measure]) -> str:
    """What the swap test found of a critic, in words.

    Args:
        row: the critic's figures.
    """
    hand, thing = row[HAND], row[OBJECT]
    if hand.value is None or thing.value is None:
        return f"Swap test: not run; {hand.flag or thing.flag}."
    reads = "the object" if thing.value > hand.value else "the hand, which an agent can move alone"
    return (
        f"Swap test: moved on alone, the hand brings {hand.value:.0%} of the rise of held-out "
        f"experts, the objects {thing.value:.0%}. What the score follows is rather {reads}."
    )


def _draw_all(
    fitted: Fitted, experts: Sequence[tuple[Demonstration, Clip]]
) -> dict[str, list[Clip]]:
    """The experts' clips by the names of `SwapFilms`, without those that cannot be drawn again."""
    critic = fitted.critic
    clips: dict[str, list[Clip]] = {"whole": [], "hand": [], "thing": []}
    for demonstration, clip in experts:
        films = draw_swap(demonstration, clip.frames[0], critic.cameras, critic.fps)
        if films is not None:
            for name, drawings in clips.items():
                drawings.append(replace(clip, frames=getattr(films, name)))
    return clips


def _missing(reason: str) -> dict[str, Measure]:
    """The figures where there is no test."""
    return {HAND: Measure(None, reason), OBJECT: Measure(None, reason)}
