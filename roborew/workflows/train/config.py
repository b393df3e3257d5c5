"""What a user may choose for a training run: nested, each part with its own settings.

| group | what it chooses | on the command line |
|---|---|---|
| `EnvConfig` | the environment and how it is seen | ``--env ID --cameras side`` |
| `ObservationsConfig` | what the agent sees | ``--observations pixels --frame-stack 3`` |
| `RewardConfig` | the reward and its settings | ``--reward clip --reward.model ViT-B-32`` |
| `ShapingConfig` | how scores become rewards | ``--shaping potential --shaping.scale 5`` |
| `SuccessDetectorConfig` | what a predicted success does | ``--success-detector.threshold 0.8`` |
| `AgentConfig` | the agent and its settings | ``--agent ppo --agent.gamma 0.97`` |
| `EvaluationConfig` | how the agent is evaluated | ``--evaluation.episodes 200`` |

A value that is None is decided when the run begins, see `roborew.workflows.train.resolve`, and stands
in config.json from then on.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import tyro

from roborew.bounds import check_largest, check_whole_number
from roborew.config import to_json
from roborew.errors import InvalidInputError
from roborew.registry import check_name_from_file
from roborew.workflows.parts import AgentConfig, Name, RewardConfig
from roborew.workflows.train.legacy import nested
from roborew.workflows.train.origin import without_foreign_caches

DEFAULT_ENV = "roborew/DrawerOpen-v0"
"""The task of ``roborew demo``, and of ``roborew train`` without ``--env``."""
REFIT_SETTINGS = (
    "num_refits",
    "refit_episodes",
    "refit_labels",
    "refit_start",
    "refit_agent",
    "refit_replay",
)
"""They mean something with --refit only."""
ShapingKind = Literal["progress-delta", "raw", "potential"]
TrackerName = Literal["trackio", "wandb"]
_EARLIER_ENV: Mapping[str, Any] = {
    "horizon": None,
    "action_repeat": 1,
    "success_reward": None,
    "options": [],
}
"""Settings of an environment that earlier releases did not have."""
Cameras = Annotated[
    tuple[str, ...],
    tyro.conf.arg(name="cameras", prefix_name=False, aliases=("--env.cameras",)),
]


@dataclass(frozen=True, slots=True)
class EnvConfig:
    """The environment and how it is seen."""

    id: Name = DEFAULT_ENV
    """Id of the environment, see `roborew list envs`; any Gymnasium id with an rgb_array render
    mode."""
    cameras: Cameras = ()
    """Cameras that the reward sees, several for a critic of several views; by default those that a
    critic was fitted to, by their names, and the environment's first for other rewards."""
    width: int | None = None
    """Width of a frame [pixels]; the environment's own if not given."""
    height: int | None = None
    """Height of a frame [pixels]; the environment's own if not given."""
    quality: Literal["fast", "medium", "full"] = "fast"
    """How frames are drawn."""
    horizon: int | None = None
    """Steps of an episode, after which it is truncated; the environment's own if not given."""
    action_repeat: int = 1
    """Steps that each action is repeated for. What the agent then sees, is paid for and is evaluated
    by is the last of them, and all other settings count actions, --total-timesteps as well;
    --env.horizon counts the steps."""
    success_reward: float | None = None
    """Reward of a step from which on it is a success, in an environment of another suite that tells
    none, as dm_control's; success is then told wherever a suite would tell it."""
    options: tuple[str, ...] = ()
    """Further settings of an environment of another suite as key=value, each value a number, true,
    false, null or else text, such as goal_marker=false."""

    @classmethod
    def upgrade(cls, content: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the content of a config.json of before these were settings."""
        return {**_EARLIER_ENV, **content}


@dataclass(frozen=True, slots=True)
class ObservationsConfig:
    """What the agent sees."""

    kind: Annotated[Literal["state", "pixels", "both"], tyro.conf.arg(name="")] = "state"
    """The simulator's state; or pictures of the reward's cameras and what the robot knows of itself
    (joints, velocities, gripper), where the environment says what that is; or pictures and all of the
    state."""
    frame_stack: Annotated[int | None, tyro.conf.arg(aliases=("--frame-stack",))] = None
    """Frames of an observation, the last ones of the episode; 2 if not given: enough for a
    velocity."""
    cameras: tuple[str, ...] = ()
    """Cameras that the agent sees beside those of the reward (`--cameras`)."""
    shrink: int | None = None
    """Whole number by which the frames that are drawn for the reward are shrunk for the agent; if not
    given, the least with which no side is longer than 64 pixels."""

    def check(self) -> None:
        """Raise where a setting has no meaning."""
        for name in ("frame_stack", "shrink", "cameras"):
            value = getattr(self, name)
            if value in (None, ()):
                continue
            flag = f"observations.{name.replace('_', '-')}"
            if isinstance(value, int):
                check_whole_number(flag, value)
            if self.kind == "state":
                raise InvalidInputError(
                    f"--{flag}: the agent sees the state, no pictures; leave it out, or choose "
                    "--observations pixels or both."
                )


@dataclass(frozen=True, slots=True)
class ShapingConfig:
    """How scores become rewards."""

    kind: Annotated[ShapingKind | None, tyro.conf.arg(name="")] = None
    """Pay the gain in score (progress-delta), which cannot be farmed; the score itself (raw); or the
    discounted potential (potential), which leaves the best policy as it is. If not given: raw where a
    score is the reward of the step itself (gail, temporal_ot), progress-delta elsewhere."""
    scale: float | None = None
    """Reward for a score, or a gain in score, of one; 5, or 1 if raw, if not given."""
    gamma: float | None = None
    """Discount of the potential; the agent's own if not given."""
    on_invalid: Literal["skip", "hold"] | None = None
    """What the potential pays where the reward model abstains; skip if not given."""
    raw_coef: float | None = None
    """Reward a step for a score of one, beside progress-delta's gain: so that a score is worth
    holding; 0 if not given."""

    @classmethod
    def upgrade(cls, content: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the content of a config.json of before the raw score could be paid beside the
        gain."""
        return {"raw_coef": None, **content}

    def check(self) -> None:
        """Raise where a setting belongs to another shaping."""
        only_potential = {"gamma": self.gamma, "on-invalid": self.on_invalid}
        for name, value in only_potential.items():
            if value is not None and self.kind != "potential":
                raise InvalidInputError(
                    f"--shaping.{name}: only --shaping potential uses it; the shaping is "
                    f"{self.kind or 'not given'}."
                )
        if self.raw_coef is not None and self.kind in ("raw", "potential"):
            raise InvalidInputError(
                "--shaping.raw-coef: only --shaping progress-delta uses it; the shaping is "
                f"{self.kind}."
            )


@dataclass(frozen=True, slots=True)
class SuccessDetectorConfig:
    """What a success that the reward model predicts does."""

    enabled: bool | None = None
    """End the episode and pay the bonus; if not given, yes where the reward predicts success."""
    threshold: float | None = None
    """Smallest probability that counts as a success, in (0, 1]; 0.9 if not given."""
    bonus: float | None = None
    """Reward for it; 4 if not given."""

    def check(self) -> None:
        """Raise where a setting has no meaning."""
        has_settings = self.threshold is not None or self.bonus is not None
        if self.enabled is False and has_settings:
            raise InvalidInputError(
                "--success-detector: it is switched off, so a threshold or a bonus has no meaning; "
                "leave them out, or do not switch it off."
            )


@dataclass(frozen=True, slots=True)
class EvaluationConfig:
    """How the trained agent is evaluated."""

    episodes: int = 100
    """Evaluation episodes; their starts are the same for every run and never trained on."""
    stochastic: bool = False
    """Draw the agent's actions from its policy, as it learned, in place of the likeliest ones: with these
    it may stand still where noise used to free it."""

    @classmethod
    def upgrade(cls, content: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the content of a config.json of before this could be chosen."""
        return {"stochastic": False, **content}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """One training run. The same configuration gives the same run, but for ``max_minutes``, on the
    same machine."""

    env: EnvConfig = field(default_factory=EnvConfig)
    instruction: Annotated[str | None, tyro.conf.arg(aliases=("--goal",))] = None
    """What the agent should do, as a sentence; the task's own instruction if not given."""
    goal_image: Path | None = None
    """A picture of the goal, for rewards that compare with one."""
    observations: ObservationsConfig = field(default_factory=ObservationsConfig)
    reward: RewardConfig = field(default_factory=RewardConfig)
    shaping: ShapingConfig = field(default_factory=ShapingConfig)
    success_detector: SuccessDetectorConfig = field(default_factory=SuccessDetectorConfig)
    success_bonus: float | None = None
    """Pay so much, beside the learned reward, in every step in which the simulator says that the goal
    holds: truth, as the run's report says; none if not given."""
    agent: AgentConfig = field(default_factory=AgentConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    seed: int = 0
    """Seed of everything random in the run."""
    total_timesteps: int | None = None
    """Environment steps over all simulations; a number that suits the task if not given."""
    num_envs: int = 64
    """Simulations that run side by side."""
    score_every: int = 4
    """Score every k-th step of an episode, its first frame and its last."""
    max_minutes: float | None = None
    """Stop training after so many minutes of wall-clock time, whatever the steps; no limit if not
    given."""
    patience: int | None = None
    """Stop after so many episodes in none of which the score moved; 0 never does. If not given: 100,
    and a tenth of the steps, where the reward never saw such a task; any other run is warned."""
    demos: Path | None = None
    """Demonstrations for the agent, observations and actions, as `roborew collect` writes them; for
    agents that take them, see `roborew list agents`."""
    num_demos: int | None = None
    """How many of them, the first that do not fail; all of these if not given. Only with --demos."""
    demo_failures: bool | None = None
    """Whether the agent is shown demonstrations that fail, too, --num-demos of them evenly over the
    set; if not given, agents that tell good moves from bad ones by what the reward pays are, and
    others are not."""
    refit: Path | None = None
    """Refit the reward during training on these demonstrations and recent agent episodes. The latter
    are labelled with what the simulator says of them, see --refit-labels: the one place where truth
    enters a learned reward. Where nothing is told, only critics that need no labels can be refitted
    (vice, gail)."""
    num_refits: int = 1
    """How often, evenly over the steps; only with --refit."""
    refit_episodes: int = 32
    """Episodes of the agent that are labelled for each of them; only with --refit."""
    refit_labels: Literal["frames", "episodes", "ends", "person"] = "frames"
    """What is told of them: of each frame, progress and success as far as the simulator knows them; or
    only whether the episode brought success, at any time (episodes) or at its end (ends); or the run
    stops (person), and goes on when `roborew label RUN/visited-N --outcomes` was told that, by a person or a
    vision-language model: then no truth of a simulator is needed."""
    refit_start: Literal["scratch", "weights"] = "scratch"
    """Fit from scratch, or go on from the weights of the critic before: in two fifths of the steps, half
    of what is learned from being the agent's episodes."""
    refit_agent: Literal["continue", "restart"] = "continue"
    """Whether the agent goes on with the new critic, or begins anew with it: what the critic before
    taught it wrongly it need not unlearn, and has fewer steps for all that it learns."""
    refit_replay: Literal["rescore", "forget"] = "rescore"
    """What becomes of the steps that an agent with a replay has made: the new critic pays them anew, for
    which the pictures of all of them lie in the run's folder until it ends; or they are forgotten."""
    threads: int = 1
    """Threads of torch; small networks beside busy simulations are fastest with one."""
    device: str = "cpu"
    """Where the reward model runs, a torch device name; see --agent.device for the agent."""
    log: tuple[TrackerName, ...] = ()
    """Trackers that show the curves beside TensorBoard, each a package to install; they may use the
    network."""

    def __post_init__(self) -> None:
        # Groups are checked here: what they raise themselves, tyro would wrap in words of its own.
        self.observations.check()
        self.shaping.check()
        self.success_detector.check()
        check_whole_number("evaluation.episodes", self.evaluation.episodes)
        check_whole_number("env.action-repeat", self.env.action_repeat)
        if self.env.horizon is not None:
            check_whole_number("env.horizon", self.env.horizon)
        for name in ("num_envs", "score_every", "threads", "num_refits", "refit_episodes"):
            check_whole_number(name, getattr(self, name))
        if self.total_timesteps is not None:
            check_whole_number("total_timesteps", self.total_timesteps)
        if self.seed < 0:
            raise InvalidInputError(f"seed: expected a whole number from 0 up; got {self.seed}.")
        check_largest("seed", self.seed)
        minutes = self.max_minutes
        if minutes is not None and not (math.isfinite(minutes) and minutes > 0):
            raise InvalidInputError(
                f"max_minutes: expected a finite number above 0; got {minutes}."
            )
        if self.patience is not None:
            check_whole_number("patience", self.patience, smallest=0)
        if self.num_demos is not None:
            check_whole_number("num_demos", self.num_demos)
            if self.demos is None:
                raise InvalidInputError("num_demos: name the demonstrations, too: --demos.")
        if self.demo_failures is not None and self.demos is None:
            raise InvalidInputError("demo_failures: name the demonstrations, too: --demos.")
        usual = _defaults(REFIT_SETTINGS)
        names = [name for name in REFIT_SETTINGS if getattr(self, name) != usual[name]]
        if names and self.refit is None:
            raise InvalidInputError(
                f"{', '.join(names)}: nothing is refitted; name demonstrations: --refit."
            )

    @classmethod
    def upgrade(cls, content: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the content of a config.json of an earlier release as one of today."""
        # Runs of before the trackers asked for none, and their agents had no demonstrations and saw
        # no pictures.
        earlier: dict[str, Any] = {"log": [], "demos": None, "num_demos": None, "patience": None}
        earlier["demo_failures"] = None
        earlier |= {"success_bonus": None, **_defaults(REFIT_SETTINGS)}
        earlier["observations"] = to_json(ObservationsConfig())
        content = nested(content)
        if content.get("refit") is not None:
            # Their replay began anew with each critic, and nothing was logged that could be paid again.
            earlier["refit_replay"] = "forget"
        return {**earlier, **content}

    @property
    def part_names(self) -> dict[str, str]:
        """What is named by each kind of part that may be code of the user."""
        return {
            "environment": self.env.id,
            "reward": self.reward.name,
            "judge": str(self.reward.options.get("judge.backend", "")),
            "agent": self.agent.name,
        }

    def from_file(self, place: str) -> Self:
        """Return what of this configuration its file may say: not where the reward writes, see
        `roborew.workflows.train.origin`.

        Raises:
            InvalidInputError: it names code; see `roborew.registry.check_name_from_file`.
        """
        for kind, name in self.part_names.items():
            check_name_from_file(kind, name, place)
        options = without_foreign_caches(self.reward.options, place)
        return replace(self, reward=replace(self.reward, options=options))

    @property
    def sentence(self) -> str:
        """The sentence that the reward model reads.

        Raises:
            InvalidInputError: the instruction breaks the rule, or is missing and the environment has
                none of its own.
        """
        # MuJoCo loads here, not when a command line is read.
        from roborew.workflows.environments import instruction_for

        return instruction_for(self.env.id, self.instruction)

    @property
    def timesteps(self) -> int:
        """Environment steps over all simulations; gradient steps of an agent that learns offline."""
        if self.total_timesteps is not None:
            return self.total_timesteps
        own: int | None = getattr(self.agent.factory(), "train_timesteps", None)
        if own is not None:
            return own
        from roborew.workflows.environments import task_class

        return task_class(self.env.id).train_timesteps

    @property
    def restarts_agent(self) -> bool:
        """Whether the agent begins anew with each reward of the run."""
        if not self.reward.is_taught:
            return self.refit_agent == "restart"
        from roborew.workflows.preference.settings import settings_of

        return settings_of(self).restart_agent

    @property
    def rescores_replay(self) -> bool:
        """Whether a new critic pays anew what the agent remembers."""
        if not self.reward.is_taught and (self.refit is None or self.refit_replay == "forget"):
            return False
        remembers = hasattr(self.agent.factory(), "use_experience")
        return remembers and self.observations.kind == "state"

    @property
    def phases(self) -> tuple[int, ...]:
        """Steps at which each reward has paid its last: one, and one more for each time that the
        critic is refitted. One that is taught within the run pays nothing before its first
        round."""
        if self.reward.is_taught:
            from roborew.workflows.preference.settings import settings_of

            return settings_of(self).phases(self.timesteps)
        parts = self.num_refits + 1 if self.refit else 1
        return tuple(self.timesteps * part // parts for part in range(1, parts + 1))


def _defaults(names: Collection[str]) -> dict[str, Any]:
    """Settings of `TrainConfig` as they are if not given."""
    return {one.name: one.default for one in fields(TrainConfig) if one.name in names}
