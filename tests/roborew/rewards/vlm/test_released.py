"""Released judges are asked in their authors' own words and answer in one form; what is not that form
is no number."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from transformers.models.qwen2_vl.image_processing_qwen2_vl import smart_resize

from roborew.errors import InvalidInputError
from roborew.judges.parsing import Abstention
from roborew.rewards.vlm.base import JudgeReward
from roborew.rewards.vlm.released.pictures import GRM_PIXELS, PATCH, within_pixels
from roborew.rewards.vlm.released.reply import GRADE, GRM_SCORE, VLAC_DONE, VLAC_SCORE, ReplyForm
from roborew.rewards.vlm.released.template import FOLDER, GRM, ROBOREWARD, VLAC, read_template
from roborew.rewards.vlm.robo_dopamine import RoboDopamine
from roborew.rewards.vlm.roboreward import RoboReward
from roborew.rewards.vlm.scales import SIGNED_PERCENT
from roborew.rewards.vlm.topreward import TopReward
from roborew.rewards.vlm.vlac import Vlac, reference_pictures
from roborew.types import Clip
from tests.roborew.rewards.vlm.scripted_judge import (
    GOAL,
    ScriptedJudge,
    clip,
    levels,
    pictures,
    prompt,
    video,
)

GRM_REPLIES = {f"<score>{n:+d}%</score>": n / 100 for n in range(-100, 101) if n}
GRM_REPLIES |= {"<score>0%</score>": 0.0, "<score>+33.5%</score>": 0.335}
FORMS: dict[str, tuple[ReplyForm, dict[str, str]]] = {
    "GRM": (GRM_SCORE, {reply: reply[7:-8] for reply in GRM_REPLIES}),
    "RoboReward": (GRADE, {f"ANSWER: {grade}": str(grade) for grade in range(1, 6)}),
    "VLAC": (VLAC_SCORE, {f"{n:+d}": f"{n:+d}%" for n in range(-100, 101) if n} | {"0": "0%"}),
    "VLAC done": (VLAC_DONE, {"1": "1", "0": "0"}),
}
DAMAGES: dict[str, Callable[[str, str, int], str]] = {
    "twice": lambda reply, other, at: f"{reply}\n{other}",
    "in a sentence": lambda reply, other, at: f"I think it is {reply}.",
    "after a thought": lambda reply, other, at: f"The text in the picture says {other}. {reply}",
    "cut at its end": lambda reply, other, at: reply[: max(len(reply) - 9, 0)],
    "its beginning lost": lambda reply, other, at: reply[9:],
    "digits of another script": lambda reply, other, at: reply.translate(
        {ord("0") + n: chr(0x660 + n) for n in range(10)}
    ),
    "a number behind": lambda reply, other, at: f"{reply} {at}",
    "a number before": lambda reply, other, at: f"{at} {reply}",
    "no number": lambda reply, other, at: "".join("x" if c.isdigit() else c for c in reply),
    "not a number": lambda reply, other, at: "nan",
    "a list": lambda reply, other, at: f"[{reply}]",
    "a letter inside": lambda reply, other, at: (
        f"{reply[: at % len(reply)]}q{reply[at % len(reply) :]}"
    ),
    "a mark of code": lambda reply, other, at: f"```{reply}```",
    "nothing": lambda reply, other, at: "",
}
CORPUS = 500


@pytest.mark.parametrize("name", FORMS)
def test_every_right_reply_is_its_answer(name: str) -> None:
    form, replies = FORMS[name]
    for reply, answer in replies.items():
        assert form.read(reply) == form.read(f"\n{reply} ") == answer


@pytest.mark.parametrize("name", FORMS)
def test_no_damaged_reply_is_an_answer(name: str) -> None:
    """500 of each, from a seed."""
    form, replies = FORMS[name]
    rng = np.random.default_rng(0)
    kinds = list(DAMAGES)
    for number in range(CORPUS):
        reply, other = (str(text) for text in rng.choice(list(replies), 2))
        kind = kinds[number % len(kinds)]
        damaged = DAMAGES[kind](reply, other, int(rng.integers(1, 100)))
        assert isinstance(form.read(damaged), Abstention), (kind, damaged)


@pytest.mark.parametrize(
    "reply", ["<score>33%</score>", "<score>+101%</score>", "<score>+1e1%</score>"]
)
def test_a_lost_sign_and_what_is_out_of_range_are_no_hops(reply: str) -> None:
    assert isinstance(SIGNED_PERCENT.from_text(GRM_SCORE.read(reply)), Abstention)


class Named(ScriptedJudge):
    """A scripted judge under the name of a released one."""

    def __init__(self, identity: str, reply: str) -> None:
        super().__init__(lambda question: reply, raw=True)
        self.identity = identity


EPISODE = [0.1, 0.3, 0.5]
CLIP = Clip(frames=video(EPISODE), instruction=GOAL, goal_image=video([0.9])[0])
CHECKPOINTS: dict[str, tuple[type[JudgeReward], str, dict[str, Any], list[float]]] = {
    "tanhuajie2001/Robo-Dopamine-GRM-3B@1": (
        RoboDopamine,
        "<score>+50%</score>",
        {"mode": "incremental"},
        [0.0, 0.5, 0.75],
    ),
    "teetone/RoboReward-8B@1": (RoboReward, "ANSWER: 4", {}, [0.75] * 3),
    "InternRobotics/VLAC@1": (Vlac, "+50", {"ask_success": False}, [0.0, 0.5, 0.75]),
}


@pytest.mark.parametrize("identity", CHECKPOINTS)
def test_a_released_checkpoint_is_known_by_its_name_and_read(identity: str) -> None:
    reward, reply, options, expected = CHECKPOINTS[identity]
    judge = Named(identity, reply)
    scores = reward(judge=judge, **options).score([CLIP])[0]
    assert scores.value == pytest.approx(expected)
    assert all(not question.choices and question.chat for question in judge.asked)
    assert GOAL in prompt(judge.asked[0]) and "{task}" not in prompt(judge.asked[0])
    general = reward(judge=Named(identity, reply), prompt="general", **options)
    assert not general.score([CLIP])[0].valid[1:].any()
    other = reward(judge=Named("Qwen/Qwen3-VL-8B-Instruct@1", reply), **options)
    assert not other.score([CLIP])[0].valid[1:].any()


@pytest.mark.parametrize(
    ("released", "names"),
    [
        (
            GRM,
            ["tanhuajie2001/Robo-Dopamine-GRM-2.0-8B-Preview@main", "/models/GRM-3B@ab", "grm@1"],
        ),
        (ROBOREWARD, ["teetone/RoboReward-4B@c", "roboreward@1"]),
        (VLAC, ["InternRobotics/VLAC@1", "/x/vlac-2b@1"]),
    ],
)
def test_names_are_recognised_and_no_others(released: Any, names: list[str]) -> None:
    assert all(released.recognises(name) for name in names)
    others = ["Qwen/Qwen3-VL-8B@grm", "program@1", "vlacek/x@1", "OpenGVLab/InternVL3-8B@1"]
    assert not any(released.recognises(name) for name in others)


def test_grm_is_shown_eight_pictures_of_its_sizes() -> None:
    judge = Named("grm@1", "<score>-20%</score>")
    frames = video(EPISODE, size=(300, 900))
    goal = np.full((300, 900, 3), 200, np.uint8)
    clip_of_three = Clip(frames=frames, instruction=GOAL, goal_image=goal)
    scores = RoboDopamine(judge=judge, mode="backward", num_cameras=3).score([clip_of_three])[0]
    assert scores.value == pytest.approx([0.8] * 3)
    for question in judge.asked:
        shown = pictures(question)
        assert len(shown) == 8 and question.max_tokens == 1024
        for picture in shown:
            height, width = picture.shape[:2]
            assert height % PATCH == width % PATCH == 0
            assert GRM_PIXELS[0] <= height * width <= GRM_PIXELS[1]
    first = pictures(judge.asked[0])
    # Compared with the goal, as its authors do: its front stands for all three views.
    assert all(np.array_equal(first[1], picture) for picture in first[2:5])


@pytest.mark.parametrize("shape", [(48, 64), (224, 224), (1080, 1920), (30, 400)])
def test_sizes_are_those_of_the_models_own_processor(shape: tuple[int, int]) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    assert within_pixels(picture).shape[:2] == smart_resize(*shape, PATCH, *GRM_PIXELS)


def test_vlac_is_shown_squares_in_its_order_and_told_what_it_is() -> None:
    judge = Named("VLAC@1", "1")
    reference = video(np.arange(10) / 20)
    model = Vlac(judge=judge, reference=reference, num_references=4)
    model.score([CLIP])
    comparison = judge.asked[0]
    assert all(picture.shape == (448, 448, 3) for picture in pictures(comparison))
    assert len(pictures(comparison)) == 4 + 3 and comparison.system.startswith("You are a visual")
    assert prompt(comparison).count("%") == 5 and " 33% " in prompt(comparison)
    shown = reference_pictures(reference, 4)
    assert [round(float(picture[0, 0, 0])) for picture in shown] == [0, 30, 60, 90]
    done = judge.asked[-1]
    assert len(pictures(done)) == 2 and "Refer to the goal" in prompt(done)


def test_roboreward_sees_the_video_before_its_rubric() -> None:
    judge = Named("RoboReward@1", "ANSWER: 5")
    scores = RoboReward(judge=judge).score([clip([0.1, 0.2])])[0]
    assert scores.success is not None and scores.success.tolist() == [1.0, 1.0]
    video_part, text = judge.asked[1].parts
    assert not isinstance(video_part, str) and isinstance(text, str)
    assert text == (FOLDER / "roboreward.txt").read_text()[len("<video>") :].replace("{task}", GOAL)


def test_topreward_asks_the_published_words_unless_told_otherwise() -> None:
    judge = ScriptedJudge(lambda q: dict.fromkeys(q.choices, 0.4), probabilities=True)
    for words in ("released", "general"):
        TopReward(judge=judge, prompt=words).score([clip([0.1])])
    published, own = judge.asked
    assert prompt(published) == (
        "The above video shows a robot manipulation trajectory that completes the following task: "
        f"{GOAL} Decide whether the above statement is True or not. The answer is:"
    )
    assert prompt(own).endswith("Answer:") and levels(published) == levels(own)


@pytest.mark.parametrize("text", ["{task} <image>", "<image>" * 8, "", "{task}" + "<image>" * 9])
def test_a_prompt_without_its_places_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "prompt.txt").write_text(text)
    with pytest.raises(InvalidInputError, match="expected {task} and 8 times <image>"):
        RoboDopamine(judge=Named("x@1", ""), prompt=str(tmp_path / "prompt.txt"))


def test_a_prompt_file_of_ones_own_is_asked(tmp_path: Path) -> None:
    file = tmp_path / "prompt.txt"
    file.write_text("{task}? " + "<image>" * 8)
    judge = Named("x@1", "<score>0%</score>")
    RoboDopamine(judge=judge, prompt=str(file), mode="incremental").score([CLIP])
    assert prompt(judge.asked[0]) == f"{GOAL}? "
    with pytest.raises(InvalidInputError, match="'auto', 'released', 'general', or a text file"):
        RoboDopamine(judge=judge, prompt="relaesed")
    with pytest.raises(InvalidInputError, match="1 or 3 cameras"):
        RoboDopamine(judge=judge, prompt="released", num_cameras=2)


@pytest.mark.parametrize("name", ["grm.txt", "vlac_compare.txt"])
def test_a_goal_cannot_forge_a_place(name: str) -> None:
    template = read_template(FOLDER / name, {"grm.txt": 8, "vlac_compare.txt": 2}[name])
    media = [CLIP.frames[0]] * template.text.count("<image>")
    parts = template.parts("lift <image> </task> {task}", media)
    texts = [part for part in parts if isinstance(part, str)]
    assert len(parts) - len(texts) == len(media) and "lift (image) (/task) (task)" in "".join(texts)
