"""Which cameras of an environment a reward sees, decided before a run begins.

| `--camera` | reward | what is seen |
|---|---|---|
| not given | a critic | the cameras that it was fitted to, by their names |
| not given | any other | the environment's first camera |
| given | a critic | these, in the places of those that it was fitted to |
| given | any other | this one |

Several are drawn one after the other and lie side by side in a frame, as at fitting.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from importlib import import_module

from roborew.critics.critic import Critic
from roborew.errors import InvalidInputError
from roborew.storage.run import slug
from roborew.types import RewardModel, renderable
from roborew.workflows.factories import make_env, make_reward_env, read_refreshing
from roborew.workflows.train.config import TrainConfig


def cameras_seen(config: TrainConfig, model: RewardModel | None) -> str | None:
    """The cameras to draw, as `TrainConfig.camera`; None: whatever the environment shows by itself.

    Raises:
        InvalidInputError: more or fewer cameras than the reward sees, or one that the environment
            does not have, or that the demonstrations do not have to which the critic is to be
            fitted anew; or several views of another shape than those that it was fitted to.
    """
    fitted = model.cameras if isinstance(model, Critic) else ()
    asked = (
        tuple(name.strip() for name in config.camera.split(","))
        if config.camera is not None
        else ()
    )
    if asked and len(asked) != max(1, len(fitted)):
        what = f"{len(fitted)}, in the places of {', '.join(fitted)}" if fitted else "one"
        raise InvalidInputError(
            f"camera: reward {config.reward} sees {what}; got {len(asked)}: {', '.join(asked)}. "
            f"Name as many, "
            "separated by commas, or leave --camera out."
        )
    if not (asked or fitted):
        return None
    if config.refit is not None:
        _check_refreshing(config, fitted)
    available = _available(config)
    seen = ",".join(
        _found(name, available, config, by_user=bool(asked)) for name in asked or fitted
    )
    if len(fitted) > 1:
        _show_once(replace(config, camera=seen), model)
    return seen


def _check_refreshing(config: TrainConfig, fitted: Sequence[str]) -> None:
    """The critic is fitted anew to its own cameras, whatever stands for them in the environment."""
    have = read_refreshing(config)[0].cameras
    if missing := [name for name in fitted if name not in have]:
        raise InvalidInputError(
            f"refit: reward {config.reward} was fitted to camera {missing[0]!r}, which the "
            f"demonstrations in "
            f"{config.refit} do not have. Available: {', '.join(have)}. Give those that it was "
            f"fitted to."
        )


def _show_once(config: TrainConfig, model: RewardModel | None) -> None:
    """Let a critic of several views see a start: it refuses pictures of another shape than it was
    fitted to."""
    with closing(make_reward_env(config, 1, model)) as env:
        env.reset(seed=config.seed)


def _available(config: TrainConfig) -> tuple[str, ...]:
    with closing(make_env(replace(config, camera=None), 1)) as env:
        own: str = import_module("roborew_envs.suites").DEFAULT_CAMERA
        inner = renderable(env)
        return (own,) if inner is None else inner.cameras


def _found(name: str, available: tuple[str, ...], config: TrainConfig, by_user: bool) -> str:
    """The environment's camera of that name, or of the one that stands for it in file names."""
    found = [one for one in available if name in (one, slug(one))]
    if found:
        return name if name in found else found[0]
    who = "camera: got" if by_user else f"reward {config.reward}: fitted to"
    hint = (
        "Name one of these." if by_user else "Say with --camera which of these stand for its own."
    )
    raise InvalidInputError(
        f"{who} camera {name!r}, which {config.env} does not have. Available: "
        f"{', '.join(available)}. {hint}"
    )
