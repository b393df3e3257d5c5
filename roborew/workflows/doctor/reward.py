"""Can this reward, and the judge that it asks, do their work? A few questions before thousands.

The reward scores a short video in its own words, so that its own grammar reads the replies; what a judge
makes of plain pictures is asked beside that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import perf_counter

import numpy as np

from roborew.critics.critic import Critic
from roborew.data.label_file import PERSON
from roborew.errors import CorruptFileError, InvalidInputError, MissingBackendError, RoborewError
from roborew.judges.budget import BudgetedJudge
from roborew.judges.config import JudgeConfig
from roborew.judges.recorded import RecordedJudge
from roborew.judges.server import ServerJudge
from roborew.judges.types import Judge
from roborew.judges.usage import Usage
from roborew.rewards.checkpoints.recognition import RELEASED_JUDGES
from roborew.rewards.preferences import FramePair, PreferenceLabeler
from roborew.rewards.vlm.base import JudgeClient, JudgeReward
from roborew.rewards.vlm.released.template import GENERAL
from roborew.types import RewardModel
from roborew.workflows.doctor.check import Check
from roborew.workflows.doctor.judge import (
    check_answers,
    check_model,
    check_places,
    check_probabilities,
    check_sight,
)
from roborew.workflows.doctor.probes import (
    INSTRUCTION,
    NUM_FRAMES,
    Plain,
    WatchedJudge,
    film_clip,
    plain_questions,
)
from roborew.workflows.doctor.replies import check_backward, check_label, check_replies, check_score
from roborew.workflows.doctor.run_cost import (
    Rate,
    check_cost,
    check_speed,
    pictures_of_run,
    questions_of_run,
)
from roborew.workflows.label.questions import QUESTIONS_PER_PAIR
from roborew.workflows.parts import RewardConfig
from roborew.workflows.preference.labelers import Labeler, make_labeler
from roborew.workflows.preference.settings import PreferenceSettings
from roborew.workflows.rewards import load_reward
from roborew.workflows.train.config import TrainConfig

COMPARING = ("preference", "robo_dopamine", "vlac")
"""Rewards that show pictures in an order that must not matter."""
Say = Callable[[str], None]
Subject = RewardModel | Labeler


@dataclass(slots=True)
class Examination:
    """What was found of a reward.

    Attributes:
        reward: its name.
        judge: ``model@revision``; "" where it asks none.
        checks: in the order in which they were made.
        questions: that were asked.
        seconds: that the answers, or the scores, took [s].
        prompt_tokens: as the server counts them.
        completion_tokens: as the server counts them.
        run_questions: that ``roborew train`` with its defaults would ask; 0 without a judge.
    """

    reward: str
    judge: str = ""
    checks: list[Check] = field(default_factory=list[Check])
    questions: int = 0
    seconds: float = 0.0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    run_questions: int = 0


def examine(reward: RewardConfig, say: Say) -> Examination:
    """Try a reward, and the judge that it asks.

    Args:
        reward: with its settings; stored answers are left aside, since they are not the judge.
        say: is told, before the first question, how many there are.

    Raises:
        UnknownNameError: no such reward, judge or setting.
        InvalidInputError: settings that do not go together, a reward that is no model, or a budget
            that is smaller than what is asked.
    """
    reward.check_name()
    # What is typed wrongly is an error; only what is there and unwell is a finding.
    judge = reward.typed_options().get("judge", JudgeConfig())
    recognized = reward.recognized()
    examination = Examination(recognized.name)
    try:
        subject = _load(recognized, judge)
    except (MissingBackendError, CorruptFileError) as error:
        hints = " ".join(getattr(error, "__notes__", ()))
        check = Check(name="loads", ok=False, needed=True, finding=str(error), remedy=hints)
        examination.checks.append(check)
        return examination
    if isinstance(subject, JudgeClient):
        examination.judge = subject.judge.identity
        _examine_judge(examination, subject, recognized, judge.max_questions, say)
    else:
        _examine_model(examination, subject)
    return examination


def _load(reward: RewardConfig, judge: JudgeConfig) -> Subject:
    """The reward as it scores, or who labels for it; asks nothing from a file, and may ask all."""
    left_out = ("judge.cache", "judge.max_questions")
    options = {key: value for key, value in reward.options.items() if key not in left_out}
    if not reward.is_taught:
        return load_reward(reward.name, **options)
    if judge.backend == PERSON:
        raise InvalidInputError("doctor: a person is no model; give a judge that is one.")
    settings = PreferenceSettings(**RewardConfig(reward.name, options).typed_options())
    return make_labeler(settings.form, settings.judge, "cpu")


def _examine_judge(
    examination: Examination,
    subject: JudgeClient,
    reward: RewardConfig,
    max_questions: int | None,
    say: Say,
) -> None:
    judge = subject.judge
    if isinstance(judge, RecordedJudge):
        finding = (
            f"answers of {judge.identity}; a recording knows nothing else, so nothing is asked"
        )
        examination.checks.append(Check(name="judge", ok=True, needed=True, finding=finding))
        return
    watched = WatchedJudge(judge)
    # Of a comparison that nobody answered an older one is asked: a few more than were counted.
    subject.judge = watched if max_questions is None else BudgetedJudge(watched, max_questions)
    plain = plain_questions() if _speaks(judge) else []
    count = len(plain) + _own_cost(subject)
    if max_questions is not None and max_questions < count:
        raise InvalidInputError(
            f"doctor: {count} questions try {reward.name}; --judge.max-questions allows "
            f"{max_questions}. Allow {count}; nothing was asked."
        )
    also = " and about plain pictures" if plain else ""
    say(f"{judge.identity} is asked {count} questions, as {reward.name} asks{also}")
    if not plain or _examine_plain(examination, subject.judge, plain, reward):
        _examine_replies(examination, watched, len(plain), subject)
    usage = judge.usage if isinstance(judge, ServerJudge) else Usage()
    examination.questions = len(watched.questions)
    examination.seconds = watched.seconds
    examination.prompt_tokens = usage.prompt_tokens
    examination.completion_tokens = usage.completion_tokens
    examination.checks.insert(0, check_model(judge))
    if any(answer.abstained is None for answer in watched.answers):
        _reckon(examination, subject, reward)


def _speaks(judge: Judge) -> bool:
    """Whether it answers questions in words, and not those of one kind alone."""
    return not hasattr(judge, "examples")


def _examine_plain(
    examination: Examination, judge: Judge, plain: Sequence[Plain], reward: RewardConfig
) -> bool:
    """Ask about plain pictures; return whether there was any answer."""
    answers = judge.ask([one.question for one in plain])
    checks = examination.checks
    silent = check_answers(answers)
    if silent is not None:
        checks.append(silent)
        return False
    # A model that was trained on one form of question need not know what a color is.
    is_general = not _asks_released_words(reward, judge.identity)
    comparing = is_general and reward.name in COMPARING
    checks.append(check_sight(plain[:2], answers[:2], needed=is_general))
    checks.append(check_places(plain[2:], answers[2:], needed=comparing))
    return True


def _examine_replies(
    examination: Examination, watched: WatchedJudge, num_plain: int, subject: JudgeClient
) -> None:
    """Let the reward ask about the video; the answers before are those about plain pictures."""
    checks = examination.checks
    try:
        on_video = _try_on_video(subject)
    except RoborewError as error:
        checks.append(Check(name="asks", ok=False, needed=True, finding=str(error)))
        return
    checks.append(check_replies(watched.answers[num_plain:], subject.abstentions))
    checks += on_video
    own_questions = watched.questions[num_plain:]
    reads = any(question.choices for question in own_questions)
    checks.append(check_probabilities(watched.answers, needed=reads))


def _asks_released_words(reward: RewardConfig, identity: str) -> bool:
    """Whether the judge is a checkpoint that its authors' reward asks in their words."""
    released = RELEASED_JUDGES.get(reward.name)
    return (
        released is not None
        and released.recognises(identity)
        and reward.options.get("prompt") != GENERAL
    )


def _own_cost(subject: JudgeClient) -> int:
    """Questions that the reward itself asks about the video."""
    if isinstance(subject, JudgeReward):
        videos = 2 if subject.spec.name in COMPARING else 1
        return videos * subject.estimate_cost(NUM_FRAMES).questions
    return QUESTIONS_PER_PAIR if isinstance(subject, PreferenceLabeler) else 2


def _try_on_video(subject: JudgeClient) -> list[Check]:
    clip = film_clip()
    if isinstance(subject, Labeler):
        first, last = clip.frames[0], clip.frames[-1]
        pair = FramePair(first=first, second=last, instruction=clip.instruction)
        return check_label(subject.compare([pair])[0])
    assert isinstance(subject, RewardModel)
    clips = [clip]
    if subject.spec.name in COMPARING:
        clips.append(clip.at(np.arange(NUM_FRAMES)[::-1]))
    scores = subject.score(clips)
    for one in scores:
        subject.spec.check_range(one)
    checks = [check_score(subject.spec, scores[0])]
    if len(clips) == 2 and all(one.valid.any() for one in scores):
        checks.append(check_backward(*scores))
    return checks


def _reckon(examination: Examination, subject: JudgeClient, reward: RewardConfig) -> None:
    """What a run with its defaults would ask, at the rate that was measured."""
    tokens = examination.prompt_tokens + examination.completion_tokens
    rate = Rate(count=examination.questions, seconds=examination.seconds, tokens=tokens)
    examination.checks.append(check_speed(rate, "question"))
    if isinstance(subject, JudgeReward):
        total = questions_of_run(subject, TrainConfig())
    else:
        total = PreferenceSettings(**reward.typed_options()).questions
    examination.run_questions = total
    run = f"roborew train --reward {reward.name}"
    examination.checks.append(check_cost(rate, "question", total, run))


def _examine_model(examination: Examination, model: RewardModel) -> None:
    """A reward that asks nobody: it loads, tells pictures apart, and takes so long."""
    cameras, sentences = 1, (INSTRUCTION,)
    if isinstance(model, Critic):
        # It knows only what it was fitted to.
        cameras, sentences = max(1, len(model.cameras)), model.sentences or sentences
    clip = film_clip(sentences[0], cameras)
    checks = examination.checks
    checks.append(Check(name="loads", ok=True, needed=True, finding=repr(model)))
    began = perf_counter()
    try:
        (scores,) = model.score([clip])
        model.spec.check_range(scores)
    except RoborewError as error:
        checks.append(Check(name="scores", ok=False, needed=True, finding=str(error)))
        return
    examination.seconds = perf_counter() - began
    checks.append(check_score(model.spec, scores))
    rate = Rate(count=len(clip.frames), seconds=examination.seconds)
    checks.append(check_speed(rate, "picture"))
    episodes, frames = pictures_of_run(TrainConfig())
    run = f"roborew train --reward {examination.reward}"
    checks.append(check_cost(rate, "picture", episodes * frames, run))
