"""What `--reward preference` may be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from roborew.bounds import check_whole_number
from roborew.data.label_file import PERSON
from roborew.errors import InvalidInputError
from roborew.judges.config import DEFAULT_JUDGE, JudgeConfig
from roborew.registry import encoders
from roborew.workflows.label.questions import QuestionForm

if TYPE_CHECKING:
    from roborew.workflows.train.config import TrainConfig

MAX_EPISODES = 1_000
"""Of a round: more would begin as those of the next one do."""

Selection = Literal["uniform", "recent", "disagreement", "ladder"]
TaughtCritic = Literal["bradley_terry", "goal_ladder"]


@dataclass(frozen=True, kw_only=True)
class PreferenceSettings:
    """How a judge teaches a reward while an agent learns from it (RL-VLM-F, arXiv:2402.03681)."""

    judge: JudgeConfig = DEFAULT_JUDGE
    """Who is asked; ``robometer``: the preference head of its weights; ``person``: the run stops at
    each round until `roborew label` was given its pairs."""
    num_labels: int = 3000
    """Pairs that the judge is asked about over the whole run."""
    num_rounds: int = 6
    """How often the agent's episodes are recorded, pairs of them labeled, and the critic fitted anew:
    before the first step, soon after, and then more and more seldom."""
    teaching_share: float = 1.0
    """Share of the run's steps within which the rounds lie, in (0, 1]; for the rest the last critic pays."""
    restart_agent: bool = False
    """Whether the agent begins anew after each round, as if it had learned nothing: what an earlier critic
    taught it wrongly it need not unlearn. The rounds lie evenly then, and a last part without any, see
    teaching_share, is the one in which it has the time to learn all."""
    episodes: int = 64
    """Episodes of the agent in a round, as it explores."""
    selection: Selection = "disagreement"
    """Which pairs are asked about: any frames of all rounds (uniform); one of the last round against
    any (recent); of such the ones on which the critics of the last round differ most
    (disagreement); half of them the best frame so far against new ones, half the best ones against
    each other (ladder, of GoalLadder, arXiv:2506.16396)."""
    one_episode: float = 0.5
    """Share of the rest of the pairs whose frames are of one episode, in [0, 1]: they differ in what was
    done, and not in where things lay; ladder draws its own."""
    among_best: float = 0.5
    """Share of the pairs whose frames are both in the quarter that the last critic rates highest, in
    [0, 1], with selection disagreement: from there the agent goes on, and pairs of any frames hardly
    ever tell these apart."""
    critic: TaughtCritic = "bradley_terry"
    """What is fitted to the labels: a score that explains all of them, or the distance to the frame
    that they rate highest (goal_ladder, with selection ladder GoalLadder's reward)."""
    pairs_per_question: int = 1
    """Pairs in one question. One is RL-VLM-F: two descriptions and two labels of each. Of several the
    pictures are shown once and the labels listed, in two questions for both orders."""
    pictures_per_question: int = 2
    """Pictures that the judge puts in order in one question, up to 16, and again in the other order:
    of eight 28 labels, all of which count. 2 asks about pairs."""
    ensemble_size: int = 3
    """Critics, each fitted to labels drawn with replacement; their mean pays."""
    steps: int = 200
    """Gradient steps of each critic."""
    label_noise: float = 0.1
    """Share of the labels that bradley_terry takes to be wrong, in [0, 0.5)."""
    encoder: str = "conv"
    """What turns pictures into vectors, see `roborew list encoders`: conv is fitted to the labels."""
    encoder_steps: int = 200
    """Gradient steps of the encoder, if it is fitted."""

    def __post_init__(self) -> None:
        for name in ("num_labels", "num_rounds", "episodes"):
            check_whole_number(f"reward.{name}", getattr(self, name))
        for name in ("ensemble_size", "steps", "encoder_steps"):
            check_whole_number(f"reward.{name}", getattr(self, name))
        if self.episodes > MAX_EPISODES:
            raise InvalidInputError(
                f"reward.episodes: expected at most {MAX_EPISODES:,}; got {self.episodes:,}."
            )
        if not 0 <= self.label_noise < 0.5:
            raise InvalidInputError(
                f"reward.label_noise: expected a share in [0, 0.5); got {self.label_noise}."
            )
        for name in ("one_episode", "among_best"):
            share = getattr(self, name)
            if not 0 <= share <= 1:
                raise InvalidInputError(f"reward.{name}: expected a share in [0, 1]; got {share}.")
        if not 0 < self.teaching_share <= 1:
            raise InvalidInputError(
                f"reward.teaching_share: expected a share in (0, 1]; got {self.teaching_share}."
            )
        encoders.canonical(self.encoder)
        self.form.check_labels("reward.num_labels of a round", self.num_labels // self.num_rounds)
        if self.by_person and self.form.is_ranking:
            raise InvalidInputError(
                f"reward.pictures_per_question {self.pictures_per_question}: a person is shown two "
                "pictures; leave it out."
            )

    @property
    def form(self) -> QuestionForm:
        """What stands in a question."""
        return QuestionForm(
            self.pairs_per_question, self.pictures_per_question, str(self.judge.backend)
        )

    @property
    def by_person(self) -> bool:
        """Whether a person labels, on the page of `roborew label`."""
        return self.judge.backend == PERSON

    def phases(self, timesteps: int) -> tuple[int, ...]:
        """Steps at which the rounds begin, and the last step: the more of them early, while the agent
        still tries everything. What is not paid then is hardly ever done again, but by an agent that
        begins anew.

        >>> PreferenceSettings(num_rounds=3).phases(900)
        (0, 100, 400, 900)
        >>> PreferenceSettings(num_rounds=3, teaching_share=0.5, restart_agent=True).phases(900)
        (0, 150, 300, 900)
        """
        rounds = self.num_rounds
        taught_steps = self.taught_steps(timesteps)
        power = 1 if self.restart_agent else 2
        begins = [taught_steps * part**power // rounds**power for part in range(rounds)]
        return (*begins, timesteps)

    def taught_steps(self, timesteps: int) -> int:
        """Steps of a run within which the rounds lie."""
        return int(timesteps * self.teaching_share)

    def questions_of_round(self, number: int) -> int:
        """Questions that a round asks at most."""
        groups = self.form.count_groups(self.labels_of_round(number))
        return self.form.count_questions(groups)

    @property
    def questions(self) -> int:
        """Questions that all rounds ask at most."""
        return sum(self.questions_of_round(number + 1) for number in range(self.num_rounds))

    def labels_of_round(self, number: int) -> int:
        """Pairs that are asked about in a round, from 1; the first rounds take what is left over."""
        share, rest = divmod(self.num_labels, self.num_rounds)
        return share + (number <= rest)


def settings_of(config: TrainConfig) -> PreferenceSettings:
    """The settings of a run whose reward is taught."""
    return PreferenceSettings(**config.reward.typed_options())
