"""A served reward says what the model says where it is, to the last bit; whatever else a server answers
is an error, never a score."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread, get_ident
from typing import Any

import httpx2
import numpy as np
import pytest
from safetensors.numpy import load, save

from roborew import cli
from roborew.errors import InvalidInputError, MissingBackendError, RoborewError
from roborew.rewards.remote import client
from roborew.rewards.remote.client import connect
from roborew.rewards.remote.wire import (
    IDENTITY,
    pack_clips,
    pack_scores,
    unpack_clips,
    unpack_scores,
)
from roborew.rewards.vlm.vlac import Vlac
from roborew.serving.server import MAX_BODY, Service, identity_of, serving
from roborew.storage.run import RunDirectory
from roborew.types import Clip, IncrementalRewardModel, RewardModel, Scores
from roborew.workflows.parts import RewardConfig
from roborew.workflows.rewards import load_reward
from tests.roborew.ascent import ENV, ROLLOUT, Height
from tests.roborew.rewards.checkpoints.tiny_released import tiny_classifier, tiny_robometer
from tests.roborew.rewards.vlm.scripted_judge import ScriptedJudge, clip, levels

TOKEN = "NOT_A_SECRET"


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "PAUSE", 0.0)


@contextmanager
def served(model: RewardModel, identity: str = "a", token: str | None = None) -> Generator[str]:
    with serving(Service(model, identity, token), "127.0.0.1", 0) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def vlac() -> Vlac:
    def rule(question: Any) -> str:
        shown = levels(question)
        return f"{round(100 * (shown[-1] - shown[-2])):+d}%" if len(shown) > 1 else "0"

    return Vlac(judge=ScriptedJudge(rule))


def assert_equal(one: Scores, other: Scores) -> None:
    np.testing.assert_array_equal(one.value, other.value)
    np.testing.assert_array_equal(one.valid, other.valid)
    assert (one.success is None) == (other.success is None)
    if one.success is not None and other.success is not None:
        np.testing.assert_array_equal(one.success, other.success)


CLIPS = [clip([0.1, 0.4, 0.3]), clip([0.2]), clip([0.5, 0.9])]


@pytest.mark.parametrize("make", [Height, vlac])
def test_it_says_what_the_model_says_in_one_request_or_many(
    make: Callable[[], RewardModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    direct = make().score(CLIPS)
    with served(make()) as url:
        model = connect(url)
        assert model.spec == make().spec
        for size in (1, 2**20):
            monkeypatch.setattr(client, "MAX_BYTES", size)
            for one, other in zip(model.score(CLIPS), direct, strict=True):
                assert_equal(one, other)
        assert model.score([]) == []


@pytest.mark.parametrize("build", [tiny_classifier, tiny_robometer])
def test_released_weights_are_served_and_known_by_their_files(
    build: Callable[[Path], Path], tmp_path: Path
) -> None:
    folder = build(tmp_path / "weights")
    config = RewardConfig(str(folder))
    model = load_reward(folder)
    identity = identity_of(config, model)
    by_name = config.recognized()
    assert by_name.options == {"weights": str(folder)}
    frames = np.random.default_rng(0).integers(0, 256, (3, 32, 48, 3), dtype=np.uint8)
    seen = Clip(frames=frames, instruction="open the drawer")
    with served(model, identity) as url:
        (scores,) = connect(url).score([seen])
    assert_equal(scores, load_reward(folder).score([seen])[0])
    named = identity_of(by_name, model)
    (folder / "config.json").write_text((folder / "config.json").read_text() + " ")
    assert identity_of(config, model) != identity and identity_of(by_name, model) != named


def test_what_is_remembered_goes_both_ways_and_survives_a_restart() -> None:
    whole = vlac().score([CLIPS[0]])[0]
    parts: list[Scores] = []
    states: list[Any] = [{}]
    for frame in range(3):
        with served(vlac()) as url:
            model = connect(url)
            assert isinstance(model, IncrementalRewardModel)
            part = clip([[0.1, 0.4, 0.3][frame]])
            scores, states = model.score_step([part], states)
            parts += scores
    np.testing.assert_array_equal(np.concatenate([one.value for one in parts]), whole.value)
    with served(Height()) as url:
        assert not isinstance(connect(url), IncrementalRewardModel)


def test_what_the_model_refuses_is_said_in_its_own_words() -> None:
    class Picky(Height):
        def score(self, clips: Sequence[Clip]) -> list[Scores]:
            raise InvalidInputError("picky: expected a wider picture.")

    with served(Picky()) as url, pytest.raises(InvalidInputError, match="expected a wider picture"):
        connect(url).score(CLIPS)


def test_another_model_in_the_middle_is_refused() -> None:
    with served(Height(), "first") as url:
        model = connect(url)
        model.score(CLIPS)
        port = int(url.rpartition(":")[2])
    with serving(Service(Height(), "second"), "127.0.0.1", port) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        with pytest.raises(MissingBackendError, match="another model now"):
            model.score(CLIPS)
        server.shutdown()
        thread.join()


def test_a_token_is_asked_for_and_an_open_address_needs_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(TOKEN, "abc")
    with served(Height(), token="abc") as url:
        assert connect(url, token_env=TOKEN).score(CLIPS)
        with pytest.raises(MissingBackendError, match="wants a token"):
            connect(url)
        monkeypatch.setenv(TOKEN, "other")
        with pytest.raises(MissingBackendError, match="wants a token"):
            connect(url, token_env=TOKEN)
        assert httpx2.get(f"{url}/health").json() == {"status": "ok"}
    with (
        pytest.raises(InvalidInputError, match="can be reached by others"),
        serving(Service(Height(), "a"), "0.0.0.0", 0),
    ):
        pass


PICKLE = b"\x80\x04K\x01."
"""The number 1."""
BAD = {
    "a pickle": PICKLE,
    "nothing": b"",
    "half": b"".join(pack_clips(CLIPS))[:-7],
    "no sentence": save({"0/frames": CLIPS[0].frames}),
    "no frames": save({"about": np.frombuffer(b'{"instructions": ["lift"]}', np.uint8)}),
    "floats": save(
        {
            "about": np.frombuffer(b'{"instructions": ["lift"]}', np.uint8),
            "0/frames": np.zeros((1, 8, 8, 3), np.float32),
        }
    ),
    "no object": save({"about": np.frombuffer(b"[1]", np.uint8)}),
    "no JSON": save({"about": np.frombuffer(b"{", np.uint8)}),
}


def status_of_length(url: str, length: str) -> int:
    """What is answered to a request that says how long it is, and sends nothing."""
    connection = HTTPConnection(url.removeprefix("http://"))
    connection.putrequest("POST", "/v1/score")
    connection.putheader("Content-Length", length)
    connection.endheaders()
    status = connection.getresponse().status
    connection.close()
    return status


@pytest.mark.parametrize("name", BAD)
def test_a_bad_question_is_refused_and_the_next_one_is_answered(name: str) -> None:
    with served(Height()) as url:
        answer = httpx2.post(f"{url}/v1/score", content=BAD[name])
        assert answer.status_code == 400 and answer.json()["error"]
        assert httpx2.post(f"{url}/v2/score", content=b"").status_code == 404
        assert httpx2.post(f"{url}/v1/score_step", content=b"").status_code == 404
        assert status_of_length(url, str(MAX_BODY + 1)) == 413
        assert status_of_length(url, "-1") == 411
        assert connect(url).score(CLIPS)


def spec_body() -> bytes:
    return Service(Height(), "a").about(b"")


def changed(about: object = None, **arrays: Any) -> bytes:
    """An answer of which something is another."""
    content = {**load(WHOLE), **arrays}
    if about is not None:
        content["about"] = np.frombuffer(json.dumps(about).encode(), np.uint8)
    return save(content)


ANSWER = [
    Scores(one.value, one.valid, np.full(len(one), 0.5, np.float32))
    for one in Height().score(CLIPS)
]
FRAMES = sum(map(len, ANSWER))
WHOLE = pack_scores(ANSWER)
FAULTS: dict[str, tuple[int, bytes, dict[str, str]]] = {
    "not found": (404, b"", {}),
    "teapot without JSON": (418, b"short and stout", {}),
    "unavailable": (503, b"later", {}),
    "moved": (302, b"", {"Location": "http://127.0.0.1:9/"}),
    "a page": (200, b"<html>welcome</html>", {}),
    "nothing": (200, b"", {}),
    "half": (200, WHOLE[:-5], {}),
    "cut short": (200, WHOLE, {"Content-Length": str(len(WHOLE) + 9)}),
    "a pickle": (200, PICKLE, {}),
    "JSON": (200, json.dumps([[0.5]]).encode(), {}),
    "two clips of three": (200, pack_scores(ANSWER[:2]), {}),
    "other lengths": (200, pack_scores([ANSWER[1], ANSWER[1], ANSWER[1]]), {}),
    "not a number": (200, changed(value=np.full(FRAMES, np.nan, np.float32)), {}),
    "doubles": (200, changed(value=np.full(FRAMES, 0.5)), {}),
    "success of 2": (200, changed(success=np.full(FRAMES, 2.0, np.float32)), {}),
    "success of fewer": (200, changed({"clips": 3, "success": [0]}), {}),
    "success of none": (200, changed({"clips": 3, "success": [0, 1, 3]}), {}),
    "success of one twice": (200, changed({"clips": 3, "success": [0, 1, 2, 2]}), {}),
    "success of what": (200, changed({"clips": 3, "success": {"0": 1}}), {}),
    "valid as numbers": (200, changed(valid=np.ones(FRAMES, np.uint8)), {}),
    "another model": (200, WHOLE, {IDENTITY: "b"}),
    "no model": (200, WHOLE, {IDENTITY: ""}),
}


def test_an_answer_is_what_was_said_of_each_clip() -> None:
    silent = [replace(one, success=None) for one in ANSWER]
    nothing = Scores(
        np.full(2, np.nan, np.float32), np.zeros(2, bool), np.full(2, np.nan, np.float32)
    )
    for said in (ANSWER, silent, [ANSWER[0], silent[1], nothing], []):
        got, _ = unpack_scores(pack_scores(said), [len(one) for one in said])
        for one, other in zip(got, said, strict=True):
            assert_equal(one, other)
            assert one.value.flags.writeable


@pytest.mark.parametrize("fault", FAULTS)
def test_no_score_is_invented(fault: str) -> None:
    status, body, headers = FAULTS[fault]

    class Faulty(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._send(200, spec_body(), {})

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self._send(status, body, headers)

        def _send(self, code: int, content: bytes, more: dict[str, str]) -> None:
            self.send_response(code)
            sent = {"Content-Length": str(len(content)), IDENTITY: "a", **more}
            for name, value in sent.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args: Any) -> None:
            """Nobody reads it."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Faulty) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            model = connect(f"http://127.0.0.1:{server.server_port}", timeout=2.0)
            with pytest.raises(RoborewError):
                model.score(CLIPS)
        finally:
            server.shutdown()
            thread.join()


class Threads(Height):
    """Remembers which threads it worked in."""

    def __init__(self) -> None:
        super().__init__()
        self.used: set[int] = set()

    def score(self, clips: Sequence[Clip]) -> list[Scores]:
        self.used.add(get_ident())
        return super().score(clips)


def test_the_model_works_in_the_thread_that_serves() -> None:
    # In the main one, where torch is fastest; and a model is made for one thread.
    model = Threads()
    with serving(Service(model, "a"), "127.0.0.1", 0) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        # Two connections, and so two threads that read requests.
        for asker in (connect(url), connect(url)):
            asker.score(CLIPS)
        server.shutdown()
        thread.join()
    assert model.used == {thread.ident}


def test_nobody_there_is_said_with_what_to_start() -> None:
    with pytest.raises(MissingBackendError, match="roborew serve --reward"):
        load_reward("http://127.0.0.1:9")
    with pytest.raises(RoborewError, match="no address"):
        load_reward("http://[::1")


def test_what_is_sent_is_safetensors_of_any_kind_of_array() -> None:
    state: dict[str, np.ndarray[Any, Any]] = {
        kind: np.arange(6).reshape(2, 3).astype(kind)[:, ::2]
        for kind in ("bool", "u1", "i2", "u4", "i8", "f2", "f4", "f8")
    }
    state |= {"none": np.zeros((0, 3), np.float32), "scalar": np.array(2.5)}
    arrays = load(b"".join(pack_clips(CLIPS[:1], [state])))
    assert load(save(arrays)).keys() == arrays.keys()
    for name, array in state.items():
        got = arrays[f"0/state/{name}"]
        assert (got.dtype, got.shape) == (array.dtype, array.shape)
        np.testing.assert_array_equal(got, array)


def test_a_question_is_what_was_asked() -> None:
    asked = [Clip(frames=c.frames, instruction="lift it", goal_image=c.frames[0]) for c in CLIPS]
    clips, states = unpack_clips(b"".join(pack_clips(asked, [{"count": np.array([3])}, {}, {}])))
    for one, other in zip(clips, asked, strict=True):
        np.testing.assert_array_equal(one.frames, other.frames)
        assert one.goal_image is not None and one.instruction == "lift it"
    assert states[0]["count"].tolist() == [3] and states[1:] == [{}, {}]


def test_the_identity_is_of_the_model_and_not_of_the_process(tmp_path: Path) -> None:
    config = RewardConfig("tests.roborew.ascent:Height")
    assert identity_of(config, Height()) == identity_of(config, Height())
    assert identity_of(config, Height()) != identity_of(RewardConfig("mini"), Height())
    folder = tmp_path / "weights"
    folder.mkdir()
    (folder / "weights.bin").write_bytes(b"1")
    first = identity_of(RewardConfig(str(folder)), Height())
    (folder / "weights.bin").write_bytes(b"2")
    assert identity_of(RewardConfig(str(folder)), Height()) != first


def test_a_run_is_paid_by_a_server_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with served(Height()) as url:
        words = ["train", "--env", ENV, "--instruction", "climb", "--num-envs", "8"]
        words += ["--total-timesteps", str(2 * ROLLOUT), "--evaluation.episodes", "2"]
        for name, reward in (("there", url), ("here", "tests.roborew.ascent:Height")):
            assert cli.main([*words, "--reward", reward, "--name", name]) == 0
        metrics = [
            [record["losses"] for record in RunDirectory.open(f"runs/{name}").metrics()]
            for name in ("there", "here")
        ]
        assert metrics[0] == metrics[1]
        assert cli.main(["evaluate", "runs/there", "--episodes", "2"]) == 0
