"""Questions answered a second by a server that takes 50 ms for each, many in flight against one at a time;
and labels of pairs in a request.

The server runs in a process of its own, makes no faults and answers any number of questions side by
side, as a served model that batches does.
"""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial

import numpy as np

from experiments.benchmarks.measure import Row, compare, rate
from roborew.judges.server import ServerJudge
from roborew.judges.types import Question
from roborew.rewards.pair_lists import PairListLabeler
from roborew.rewards.preferences import FramePair

LATENCY = 0.05
"""Of an answer [s]."""
IN_FLIGHT = 32
SIZE = 84
"""Sides of a picture [pixels], as an agent's task draws it."""
PAIRS_PER_QUESTION = 16
TAG = re.compile(rb"<(answer-[0-9a-f]+)>")
COUNT = re.compile(rb"In each of these ([0-9]+) pairs")


@contextmanager
def server() -> Generator[str]:
    """Give the address of the API of a server in a process of its own."""
    command = [sys.executable, "-m", "experiments.benchmarks.asking"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = process.stdout.readline().strip()
        try:
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.terminate()


def asked(judge: ServerJudge, count: int) -> Callable[[], int]:
    """Ask so many questions about a picture each; none is like another."""
    rng = np.random.default_rng(count)

    def work() -> int:
        pictures = rng.integers(0, 256, (count, SIZE, SIZE, 3), np.uint8)
        answers = judge.ask([Question(parts=("Is it done?", picture)) for picture in pictures])
        assert all(answer.abstained is None for answer in answers)
        return count

    return work


def labeled(judge: ServerJudge, count: int, pairs_per_question: int) -> Callable[[], int]:
    """Label so many pairs."""
    rng = np.random.default_rng(count)
    labeler = PairListLabeler(judge=judge, pairs_per_question=pairs_per_question)

    def work() -> int:
        pictures = rng.integers(0, 256, (count, 2, SIZE, SIZE, 3), np.uint8)
        pairs = [
            FramePair(first=first, second=second, instruction="open the drawer")
            for first, second in pictures
        ]
        labeler.compare(pairs)
        assert not labeler.abstentions
        return count

    return work


def run(repeats: int) -> list[Row]:
    """Measure questions and labels."""
    with server() as url:
        one = ServerJudge(model="fast", base_url=url, top_logprobs=0, concurrency=1)
        many = ServerJudge(model="fast", base_url=url, top_logprobs=0, concurrency=IN_FLIGHT)
        place = f"{SIZE} x {SIZE} pixels, {1000 * LATENCY:.0f} ms an answer, loopback"
        questions = compare(
            "asking",
            partial(rate, asked(many, 4 * IN_FLIGHT)),
            partial(rate, asked(one, 8)),
            "questions/s",
            f"{IN_FLIGHT} in flight against one, a picture a question, {place}",
            repeats,
        )
        labels = compare(
            "asking",
            partial(rate, labeled(many, 8 * IN_FLIGHT, PAIRS_PER_QUESTION)),
            partial(rate, labeled(many, 2 * IN_FLIGHT, 1)),
            "labels/s",
            f"{PAIRS_PER_QUESTION} pairs in a question against one, both orders, {IN_FLIGHT} in "
            f"flight, {place}",
            repeats,
        )
    in_request = PAIRS_PER_QUESTION / 2
    settings = f"{PAIRS_PER_QUESTION} pairs in a question, each asked in both orders"
    return [
        questions,
        labels,
        Row("asking", in_request, 0.5, "labels/request", 2 * in_request, settings),
    ]


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer the requests of one connection, each after the latency."""
    while True:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            writer.close()
            return
        found = re.search(rb"(?i)content-length: ([0-9]+)", head)
        body = await reader.readexactly(int(found[1]) if found else 0)
        await asyncio.sleep(LATENCY)
        reply = json.dumps({"choices": [{"message": {"content": _text(body)}}]}).encode()
        start = f"HTTP/1.1 200 OK\r\nContent-Length: {len(reply)}\r\n\r\n"
        writer.write(start.encode() + reply)


def _text(body: bytes) -> str:
    """As many labels as were asked for, or a word."""
    counts, tags = COUNT.findall(body), TAG.findall(body)
    if not counts:
        return "yes"
    labels = " ".join(["1"] * int(counts[-1]))
    return f"<{tags[-1].decode()}>{labels}</{tags[-1].decode()}>"


async def _serve() -> None:
    served = await asyncio.start_server(_answer, "127.0.0.1", 0, limit=2**26)
    print(served.sockets[0].getsockname()[1], flush=True)
    await served.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve())
