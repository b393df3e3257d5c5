"""A judge that knows the truth, behind an OpenAI-compatible server on this machine.

It knows the progress of every frame that a run recorded (``preferences/round-*``), or that a set of
demonstrations tells, and says which of
two pictures is further; of a share of all pairs it says the opposite, and of another one nothing. Which
pairs these are depends on the pictures alone, so that asking again, or the other way round, does not
help.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread
from typing import Any

import numpy as np
from PIL import Image
from safetensors.numpy import load

from roborew import read_demonstrations
from roborew.data.manifest_writer import MANIFEST
from roborew.data.preferences import Segment
from roborew.storage.json_files import read_json_lines

TIE_MARGIN = 0.01
"""Difference in progress below which neither picture is further."""
PAIR = re.compile(r"Pair [0-9]+: pictures ([0-9]+) and ([0-9]+)\.")
ORDER = re.compile(r"Put the [0-9]+ pictures in order")
TAG = re.compile(r"<(answer-[0-9a-f]+)>")
DESCRIPTION = re.compile(r"first ([0-9a-f]{64}) second ([0-9a-f]{64})")


class Oracle:
    """Args:
    runs: folder of the runs whose frames are known, all of one task: another may see the same
        pictures, and mean another goal.
    sets: folders of demonstrations whose frames are known, too.
    wrong: share of the pairs of which it says the opposite.
    silent: share of the pairs of which it says nothing.
    """

    def __init__(
        self, runs: Path, wrong: float = 0.1, silent: float = 0.1, sets: Sequence[Path] = ()
    ) -> None:
        self.model = "oracle"
        self._runs = runs
        self._sets = sets
        self._wrong = wrong
        self._silent = silent
        self._progress: dict[str, float] = {}
        self._read: set[Path] = set()
        self._lock = Lock()

    def reply(self, content: Sequence[dict[str, Any]]) -> str:
        """What it says to a message."""
        pictures = [frame_key(part) for part in content if part["type"] == "image_url"]
        text = "\n".join(part["text"] for part in content if part["type"] == "text")
        pairs = PAIR.findall(text)
        if pairs:
            keys = [(pictures[int(a) - 1], pictures[int(b) - 1]) for a, b in pairs]
            return self._tagged(text, " ".join(self.digit(*pair) for pair in keys))
        if ORDER.search(text):
            return self._tagged(text, self.order(pictures))
        if pictures:
            return "first {} second {}".format(*pictures)
        described = DESCRIPTION.search(text)
        assert described is not None
        digit = self.digit(*described.groups())
        return "I cannot tell." if digit == "x" else self._tagged(text, digit)

    def _tagged(self, text: str, answer: str) -> str:
        tag = TAG.findall(text)[-1]
        return f"<{tag}>{answer}</{tag}>"

    def order(self, pictures: Sequence[str]) -> str:
        """The pictures in order, as asked for. It takes some for as far from the end of the others as
        they are from their beginning, and can tell nothing of some, wherever they are shown.

        So many that it is silent of as many pairs as where it is asked about pairs, and that twice as
        many as there it is wrong about hold a picture that it misjudges: half of what is said of that is
        wrong, if the others are spread evenly.
        """
        worth = [self.progress(key) for key in pictures]
        silent, wrong = 1 - (1 - self._silent) ** 0.5, 1 - max(1 - 2 * self._wrong, 0) ** 0.5
        unknown: list[int] = []
        ranked: list[tuple[float, int]] = []
        for place, key in enumerate(pictures):
            draw = np.random.default_rng(int(key[:16], 16)).random()
            if draw < silent:
                unknown.append(place)
                continue
            mirrored = min(worth) + max(worth) - worth[place]
            ranked.append((mirrored if draw < silent + wrong else worth[place], place))
        ranked.sort(reverse=True)
        levels: list[list[int]] = []
        best = np.inf
        for value, place in ranked:
            if best - value >= TIE_MARGIN:
                levels.append([])
                best = value
            levels[-1].append(place)
        order = " > ".join(" = ".join(str(place + 1) for place in level) for level in levels)
        return order + (f" ? {' '.join(str(place + 1) for place in unknown)}" if unknown else "")

    def digit(self, first: str, second: str) -> str:
        """1, 2, 0 or x, as asked for."""
        gap = self.progress(second) - self.progress(first)
        # The same for both orders: a fault of the judge, no noise that agreement would find.
        pair = "".join(sorted((first, second)))
        luck = np.random.default_rng(int(hashlib.sha256(pair.encode()).hexdigest()[:16], 16))
        draw, side = luck.random(), luck.random() < 0.5
        if draw < self._silent:
            return "x"
        if abs(gap) < TIE_MARGIN:
            # A wrong answer about a tie is that one is better.
            gap = (
                0.0
                if draw >= self._silent + self._wrong
                else (1 if side == (first < second) else -1)
            )
            return "0" if gap == 0 else "2" if gap > 0 else "1"
        if draw < self._silent + self._wrong:
            gap = -gap
        return "2" if gap > 0 else "1"

    def progress(self, key: str) -> float:
        """The truth about a picture of a run."""
        with self._lock:
            if key not in self._progress:
                self._read_new()
            return self._progress[key]

    def _read_new(self) -> None:
        """Read what was recorded since."""
        for folder in sorted(self._runs.glob("*/preferences/round-*")):
            if folder not in self._read and (folder / MANIFEST).is_file():
                self._read.add(folder)
                self._learn(folder, true_progress(folder))
        for folder in self._sets:
            if folder not in self._read:
                self._read.add(folder)
                self._learn(folder, labeled_progress(folder))

    def _learn(self, folder: Path, truth: Mapping[Segment, float]) -> None:
        for episode in read_demonstrations(folder):
            views = zip(*map(episode.frames, episode.cameras), strict=True)
            for step, views_of_frame in enumerate(views):
                key = picture_key(np.concatenate(views_of_frame, axis=1))
                self._progress[key] = truth[episode.name, step]


def true_progress(folder: Path) -> dict[Segment, float]:
    """The truth about every frame of a set that a run recorded for labels."""
    truth: dict[Segment, float] = {}
    for _, row in read_json_lines(folder / MANIFEST):
        progress = load((folder / row["numbers"]).read_bytes())["true_progress"]
        truth.update({(row["case_id"], step): float(p) for step, p in enumerate(progress)})
    return truth


def labeled_progress(folder: Path) -> dict[Segment, float]:
    """What a set of demonstrations says of every frame."""
    truth: dict[Segment, float] = {}
    for episode in read_demonstrations(folder):
        assert episode.progress is not None, f"{episode.name} tells no progress"
        truth.update({(episode.name, step): float(p) for step, p in enumerate(episode.progress)})
    return truth


def picture_key(picture: np.ndarray[Any, np.dtype[np.uint8]]) -> str:
    """A hash of the pixels of a picture."""
    return hashlib.sha256(np.ascontiguousarray(picture).tobytes()).hexdigest()


def frame_key(part: dict[str, Any]) -> str:
    """The same of a picture in a message."""
    content = base64.b64decode(part["image_url"]["url"].partition(",")[2])
    return picture_key(np.asarray(Image.open(io.BytesIO(content)).convert("RGB")))


@contextmanager
def serving(oracle: Oracle, port: int = 0) -> Generator[str]:
    """Give the address of the API while the oracle answers there; port 0 takes a free one."""
    handler = type("Handler", (_Handler,), {"oracle": oracle})
    with ThreadingHTTPServer(("127.0.0.1", port), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/v1"
        finally:
            server.shutdown()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Else a short answer waits 40 ms for the acknowledgement of its headers.
    disable_nagle_algorithm = True
    oracle: Oracle

    def do_GET(self) -> None:
        """The models."""
        self._send({"data": [{"id": "oracle"}]})

    def do_POST(self) -> None:
        """An answer."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        text = self.oracle.reply(body["messages"][-1]["content"])
        choice = {"message": {"content": text}, "finish_reason": "stop"}
        self._send({"choices": [choice], "model": self.oracle.model})

    def _send(self, content: object) -> None:
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - named so by its base
        """Nothing."""
