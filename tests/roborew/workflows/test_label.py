"""A person labels: on a page of this machine, by keys that are safe at once, and by nobody else's
requests."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest

from roborew.cli import main
from roborew.data import write_video
from roborew.data.outcomes import OUTCOMES
from roborew.data.preferences import PREFERENCES, read_preferences
from roborew.data.reading import read_demonstrations
from roborew.errors import CorruptFileError, InvalidInputError, RoborewError
from roborew.rewards.vlm.verifier import CRITERIA, Verifier
from roborew.serving.label_page import serving
from roborew.storage.run import RunDirectory
from roborew.workflows.collect import CollectConfig
from roborew.workflows.collect.collect import collect_demonstrations
from roborew.workflows.label.config import LabelConfig
from roborew.workflows.label.keys import Session
from roborew.workflows.label.outcomes import OutcomeSession
from roborew.workflows.label.session import LabelSession
from roborew.workflows.parts import RewardConfig
from roborew.workflows.preference.teach import JudgeTeacher
from roborew.workflows.train.config import EnvConfig, TrainConfig
from roborew.workflows.train.loop import begin, train
from tests.roborew.rewards.vlm.scripted_judge import ScriptedJudge, pictures
from tests.roborew.workflows.chromium import BROWSER, browser

PAIRS, FRAMES = 4, 3
EPISODE = 70
"""Frames, more than are shown of an episode."""


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    small = CollectConfig(behaviors=("random",), episodes=3, width=32, height=24)
    return collect_demonstrations(
        "roborew/Press-v0", small, tmp_path_factory.mktemp("set") / "press"
    )


@pytest.fixture
def folder(recorded: Path) -> Iterator[Path]:
    (recorded / PREFERENCES).unlink(missing_ok=True)
    yield recorded
    (recorded / PREFERENCES).unlink(missing_ok=True)


@pytest.fixture
def films(tmp_path: Path) -> Path:
    """Three films, and nothing but a sentence."""
    rng = np.random.default_rng(0)
    for name in ("one", "three", "two"):
        frames = rng.integers(0, 256, (EPISODE, 24, 32, 3), np.uint8)
        write_video(tmp_path / "films" / f"{name}.mp4", frames, 10)
    return tmp_path / "films"


def outcomes_of(folder: Path) -> OutcomeSession:
    return OutcomeSession(folder, LabelConfig(outcomes=True), "press the button")


def session_of(folder: Path, **changes: Any) -> LabelSession:
    return LabelSession(folder, LabelConfig(**{"pairs": PAIRS, "frames": FRAMES, **changes}))


class Client:
    """Requests as a page, or another one, makes them."""

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        self.host, self.base = parts.netloc, parts.path

    def request(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> tuple[int, Any]:
        connection = http.client.HTTPConnection(self.host, timeout=20)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, named)
        response = connection.getresponse()
        content = response.read()
        connection.close()
        is_json = response.headers["Content-Type"] == "application/json"
        return response.status, json.loads(content) if is_json else content.decode()

    def press(self, key: object, done: object, **headers: str) -> tuple[int, Any]:
        body = json.dumps({"key": key, "done": done}).encode()
        named = {"Content_Type": "application/json", **headers}
        return self.request("POST", f"{self.base}key", body, **named)


@contextmanager
def client_of(session: Session) -> Generator[Client]:
    with serving(session, 0) as (server, address):
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield Client(address)
        server.shutdown()
        thread.join(20)


@pytest.fixture
def client(folder: Path) -> Iterator[Client]:
    with client_of(session_of(folder)) as client:
        yield client


def test_keys_are_labels_on_the_disk_and_the_page_goes_on(client: Client, folder: Path) -> None:
    status, page = client.request("GET", client.base)
    assert status == 200 and "http" not in page.replace("http-equiv", "")
    status, state = client.request("GET", f"{client.base}next")
    assert (state["done"], state["total"]) == (0, PAIRS)
    assert [len(film) for film in state["films"]] == [FRAMES, FRAMES]
    assert all(url.startswith("data:image/jpeg;base64,") for url in state["films"][0])
    said: list[float | None] = []
    for done, key in enumerate(("left", "right", "undo", "tie", "skip")):
        status, state = client.press(key, state["done"])
        assert status == 200, state
        said = [label.label for label in read_preferences(folder / PREFERENCES)]
        assert len(said) == state["done"], done
    assert said == [0.0, 0.5, None]
    labels = read_preferences(folder / PREFERENCES)
    assert all((label.by, label.frames) == ("person", FRAMES) for label in labels)
    status, state = client.press("right", 3)
    assert status == 200 and "films" not in state and state["done"] == PAIRS


def test_of_whole_episodes_is_said_whether_they_succeed(films: Path) -> None:
    with client_of(outcomes_of(films)) as client:
        state = client.request("GET", f"{client.base}next")[1]
        assert (state["kind"], state["total"]) == ("episode", 3)
        (film,) = state["films"]
        assert len(film) == 60 and len(film) / state["fps"] == pytest.approx(EPISODE / 10)
        assert client.press("left", 0)[0] == 400
        for key in ("success", "undo", "failure", "skip", "success"):
            status, state = client.press(key, state["done"])
            assert status == 200, state
        assert "films" not in state
    assert outcomes_of(films).counts() == {
        "done": 3, "episodes": 3, "successes": 1, "failures": 1, "silent": 1,
    }  # fmt: skip
    read = read_demonstrations(films, "press the button")
    assert [one.succeeded for one in read] == [False, None, True]
    assert [one.success for one in outcomes_of(films).outcomes.labels] == [False, None, True]


def test_the_last_frame_of_an_episode_is_shown(films: Path) -> None:
    session = outcomes_of(films)
    (episode, *_) = session.episodes
    shown, whole = session.film(episode), episode.video()
    np.testing.assert_array_equal(shown[0], whole[0])
    np.testing.assert_array_equal(shown[-1], whole[-1])


def test_a_judge_says_how_episodes_end_by_one_question_for_each_criterion(films: Path) -> None:
    session = outcomes_of(films)
    grades = dict(zip((one.name for one in session.episodes), "AT?", strict=True))
    for episode in session.waiting:
        judge = ScriptedJudge(lambda question, name=episode.name: grades[name])
        session.grade(episode, Verifier(judge=judge))
        assert len(judge.asked) == len(CRITERIA)
        assert len(pictures(judge.asked[0])) == 16
    assert [one.success for one in session.outcomes.labels] == [True, False, None]
    assert session.outcomes.labels[0].by == ScriptedJudge(str).identity
    with pytest.raises(InvalidInputError, match="no label of a person"):
        session.press("undo")


def test_nothing_is_asked_that_the_set_says_itself(folder: Path, films: Path) -> None:
    with pytest.raises(InvalidInputError, match="says of each episode whether it succeeds"):
        OutcomeSession(folder, LabelConfig(outcomes=True))
    with pytest.raises(InvalidInputError, match="--pairs-per-question is of pairs"):
        LabelConfig(outcomes=True, pairs_per_question=4)
    (episode, *_) = read_demonstrations(folder)
    (folder / OUTCOMES).write_text(
        json.dumps({"episode": episode.name, "success": True, "by": "person", "reason": ""}) + "\n"
    )
    with pytest.raises(InvalidInputError, match="contradictory labels"):
        list(read_demonstrations(folder))
    (folder / OUTCOMES).write_text('{"episode": "one", "success": 1, "by": "x", "reason": ""}\n')
    with pytest.raises(CorruptFileError, match="line 1"):
        read_demonstrations(folder)
    (folder / OUTCOMES).unlink()


def test_the_page_that_was_closed_goes_on_where_it_was(folder: Path) -> None:
    session = session_of(folder)
    session.press("left")
    expected = session.current
    again = session_of(folder)
    assert again.current == expected and again.done == 1 and again.pairs == session.pairs


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Host": "evil.example"}, 403),
        ({"Content_Type": "text/plain"}, 415),
        ({"Content_Type": "application/x-www-form-urlencoded"}, 415),
    ],
)
def test_another_page_can_say_nothing(
    client: Client, folder: Path, headers: dict[str, str], status: int
) -> None:
    assert client.press("left", 0, **headers)[0] == status
    assert not (folder / PREFERENCES).exists()


@pytest.mark.parametrize("path", ["/", "/next", "/key", "/x/next", "/../next", "//next"])
def test_without_the_token_there_is_nothing(client: Client, path: str) -> None:
    for method in ("GET", "POST"):
        assert client.request(method, path) == (404, {"error": "not found."})


@pytest.mark.parametrize(
    ("key", "done", "status"),
    [
        ("left", 1, 409),
        ("left", None, 409),
        ("left", "0", 409),
        ("up", 0, 400),
        (None, 0, 400),
        ("undo", 0, 400),
    ],
)
def test_a_key_that_means_nothing_is_no_label(
    client: Client, folder: Path, key: object, done: object, status: int
) -> None:
    assert client.press(key, done)[0] == status
    assert not (folder / PREFERENCES).exists()


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b'{"key": "left"' + b" " * 2000])
def test_a_body_that_is_no_key_is_refused(client: Client, folder: Path, body: bytes) -> None:
    headers = {"Content_Type": "application/json"}
    assert client.request("POST", f"{client.base}key", body, **headers)[0] in (400, 413)
    assert not (folder / PREFERENCES).exists()


def test_two_windows_label_no_pair_twice(client: Client, folder: Path) -> None:
    replies = [client.press("left", 0)[0], client.press("right", 0)[0]]
    assert replies == [200, 409]
    assert [label.label for label in read_preferences(folder / PREFERENCES)] == [0.0]


@pytest.mark.skipif(BROWSER is None, reason="no chromium on this machine")
def test_in_a_real_browser_keys_label_and_films_move(
    client: Client, folder: Path, tmp_path: Path
) -> None:
    with browser(tmp_path / "profile") as page:
        page.call("Page.navigate", url=f"http://{client.host}{client.base}")
        page.wait("document.body && document.body.dataset.state === 'ready'")
        page.wait("document.getElementById('first').naturalWidth === 32")
        before = page.value("document.getElementById('first').src")
        page.wait(f"document.getElementById('first').src !== {json.dumps(before)}")
        for done, key in enumerate(("ArrowLeft", "ArrowRight", "ArrowDown"), start=1):
            page.press(key)
            page.wait(f"state.done === {done} && !busy")
        page.press("u")
        page.wait("state.done === 2 && !busy")
        page.press("s")
        page.wait("state.done === 3 && !busy")
        page.value("document.querySelector('[data-key=tie]').click()")
        page.wait("document.body.dataset.state === 'finished'")
        assert page.value("document.getElementById('note').textContent") == ""
    said = [label.label for label in read_preferences(folder / PREFERENCES)]
    assert said == [0.0, 1.0, None, 0.5]


@pytest.mark.skipif(BROWSER is None, reason="no chromium on this machine")
def test_in_a_real_browser_keys_say_how_an_episode_ends(films: Path, tmp_path: Path) -> None:
    with client_of(outcomes_of(films)) as client, browser(tmp_path / "profile") as page:
        page.call("Page.navigate", url=f"http://{client.host}{client.base}")
        page.wait("document.body && document.body.dataset.state === 'ready'")
        visible = "[...document.querySelectorAll('button')].filter((one) => one.checkVisibility())"
        assert page.value(f"{visible}.map((one) => one.dataset.key).join()") == (
            "success,failure,skip,undo"
        )
        assert page.value("document.querySelector('h1').innerText") == (
            "Does it end with press the button?"
        )
        for done, key in enumerate(("y", "n"), start=1):
            page.press("ArrowLeft")  # of pairs
            page.press(key)
            page.wait(f"state.done === {done} && !busy")
        page.value("document.querySelector('[data-key=success]').click()")
        page.wait("document.body.dataset.state === 'finished'")
        assert not page.value("document.getElementById('films').checkVisibility()")
    assert [one.success for one in outcomes_of(films).outcomes.labels] == [True, False, True]


def test_keys_of_a_file_are_pressed_in_place_of_a_person(folder: Path, tmp_path: Path) -> None:
    keys = tmp_path / "keys.txt"
    keys.write_text("left right\ntie undo skip\nleft\n")
    words = ["--pairs", str(PAIRS), "--frames", str(FRAMES), "--keys", str(keys)]
    assert main(["label", str(folder), *words]) == 0
    said = [label.label for label in read_preferences(folder / PREFERENCES)]
    assert said == [0.0, 1.0, None, 0.0]
    # Labels of another length would be taken for those of the pieces shown.
    assert main(["label", str(folder), "--frames", "2", "--keys", str(keys)]) == 2


def test_a_run_waits_for_a_person_and_goes_on(tmp_path: Path) -> None:
    options = {"judge.backend": "person", "num_labels": 4, "num_rounds": 1, "episodes": 3}
    quick = {"steps": 2, "encoder_steps": 2, "ensemble_size": 1}
    config = TrainConfig(
        env=EnvConfig("roborew/Press-v0", width=32, height=24, horizon=6),
        reward=RewardConfig("preference", {**options, **quick}),
        total_timesteps=128,
        num_envs=8,
    )
    error = pytest.raises(RoborewError, match="4 pairs wait for a person")
    with error, begin(config, tmp_path / "run") as run:
        train(run, refit=JudgeTeacher())
    keys = tmp_path / "keys.txt"
    keys.write_text("left right tie left")
    labeled = tmp_path / "run" / "preferences"
    assert main(["label", str(labeled), "--keys", str(keys)]) == 0
    with RunDirectory.resume(tmp_path / "run") as run:
        assert train(run, refit=JudgeTeacher()).ended == "finished"


def test_bad_input_is_one_error(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="expected the folder"):
        session_of(tmp_path / "nothing")
    with pytest.raises(InvalidInputError, match="pairs"):
        LabelConfig(pairs=0)
    (tmp_path / "keys.txt").write_text("left up")
    assert main(["label", str(folder), "--keys", str(tmp_path / "keys.txt")]) == 2
    (folder / PREFERENCES).write_text("{}\n")
    with pytest.raises(CorruptFileError, match="line 1"):
        session_of(folder)


def test_what_is_shown_are_the_frames_of_the_pair(folder: Path) -> None:
    session = session_of(folder)
    assert session.current is not None
    for name, first in session.current:
        episode = session.film((name, first))
        assert episode.shape == (FRAMES, 24, 32, 3)
        np.testing.assert_array_equal(episode[1:], session.film((name, first + 1))[:-1])
