"""Which cameras of an environment a reward sees, decided before a run begins.

| `--cameras` | reward | what is seen |
|---|---|---|
| not given | a critic | the cameras that it was fitted to, by their names |
| not given | any other | the environment's first camera |
| given | a critic | these, in the places of those that it was fitted to |
| given | any other | this one |
| given | preference | these: its critics are fitted to them |

Several are drawn one after the other and lie side by side in a frame, as at fitting.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from importlib import import_module

from roborew.critics.critic import Critic
from roborew.data.lerobot.layout import INFO
from roborew.data.reading import DemonstrationSet, read_demonstrations
from roborew.errors import InvalidInputError
from roborew.storage.run import slugify
from roborew.types import RewardModel, renderable
from roborew.workflows.factories import make_state_env
from roborew.workflows.rewards import make_reward_env
from roborew.workflows.train.config import TrainConfig


def with_cameras(config: TrainConfig, model: RewardModel | None) -> TrainConfig:
    """Return the run with the cameras of its reward, and those of its agent beside them, written
    down.

    Raises:
        InvalidInputError: as of `choose_cameras`; or one for the agent alone that the environment
            does not have, or that the reward sees already.
    """
    own = config.observations.cameras
    cameras = choose_cameras(config, model)
    if own:
        available = _available(config)
        cameras = cameras or available[:1]
        own = tuple(_find(name, available, config, by_user=True) for name in own)
        twice = [name for name in own if name in cameras]
        if twice:
            raise InvalidInputError(
                f"observations.cameras: the agent sees the reward's camera {twice[0]!r} already; "
                "name others, or leave it out."
            )
    return replace(
        config,
        env=replace(config.env, cameras=cameras),
        observations=replace(config.observations, cameras=own),
    )


def choose_cameras(config: TrainConfig, model: RewardModel | None) -> tuple[str, ...]:
    """Return the cameras to draw, as `EnvConfig.cameras`; none: whatever the environment shows by
    itself.

    Raises:
        InvalidInputError: more or fewer cameras than the reward sees, or one that the environment
            does not have, or that the demonstrations do not have to which the critic is to be
            refitted; or several views of another shape than those that it was fitted to.
    """
    fitted = model.cameras if isinstance(model, Critic) else ()
    chosen = config.env.cameras
    if config.reward.is_taught:
        # The critics are fitted to whatever is chosen, and have to be told its name.
        available = _available(config)
        return tuple(
            _find(name, available, config, by_user=True) for name in chosen or available[:1]
        )
    if chosen and len(chosen) != max(1, len(fitted)):
        expected = f"{len(fitted)}, in the places of {', '.join(fitted)}" if fitted else "one"
        raise InvalidInputError(
            f"cameras: reward {config.reward.name} sees {expected}; got {len(chosen)}: "
            f"{', '.join(chosen)}. Name as many after --cameras, or leave it out."
        )
    if not chosen and not fitted:
        return ()
    if config.refit is not None:
        _check_refit_cameras(config, fitted)
    available = _available(config)
    by_user = bool(chosen)
    names = chosen or fitted
    cameras = tuple(_find(name, available, config, by_user) for name in names)
    # Frames of several views must have the shape that the critic was fitted to; one view is resized.
    if len(fitted) > 1:
        _score_one_start(replace(config, env=replace(config.env, cameras=cameras)), model)
    return cameras


def read_refit_demonstrations(config: TrainConfig) -> DemonstrationSet:
    """Open the demonstrations to which the critic of a run is refitted.

    Raises:
        InvalidInputError: they cannot be read.
    """
    assert config.refit is not None
    # A LeRobot data set brings its own sentences.
    has_sentences = (config.refit / INFO).is_file()
    return read_demonstrations(config.refit, None if has_sentences else config.sentence)


def _check_refit_cameras(config: TrainConfig, fitted: Sequence[str]) -> None:
    """The critic is refitted to its own cameras, whatever stands for them in the environment."""
    recorded = read_refit_demonstrations(config)[0].cameras
    missing = [name for name in fitted if name not in recorded]
    if missing:
        raise InvalidInputError(
            f"refit: reward {config.reward.name} was fitted to camera {missing[0]!r}, which the "
            f"demonstrations in {config.refit} do not have. Available: {', '.join(recorded)}. Give "
            "those that it was fitted to."
        )


def _score_one_start(config: TrainConfig, model: RewardModel | None) -> None:
    """Let a critic of several views see a start: it refuses pictures of another shape than it was
    fitted to."""
    with closing(make_reward_env(config, 1, model)) as env:
        env.reset(seed=config.seed)


def _available(config: TrainConfig) -> tuple[str, ...]:
    default = replace(config, env=replace(config.env, cameras=()))
    with closing(make_state_env(default, 1)) as env:
        own: str = import_module("roborew_envs.suites").DEFAULT_CAMERA
        inner = renderable(env)
        return (own,) if inner is None else inner.cameras


def _find(name: str, available: tuple[str, ...], config: TrainConfig, by_user: bool) -> str:
    """The environment's camera of that name, or of the one that stands for it in file names."""
    matches = [camera for camera in available if name in (camera, slugify(camera))]
    if matches:
        return name if name in matches else matches[0]
    source = "cameras: got" if by_user else f"reward {config.reward.name}: fitted to"
    remedy = "Say with --cameras which of these stand for its own."
    if by_user:
        remedy = "Name one of these."
    raise InvalidInputError(
        f"{source} camera {name!r}, which {config.env.id} does not have. Available: "
        f"{', '.join(available)}. {remedy}"
    )
