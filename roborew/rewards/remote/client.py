"""A served reward, asked over HTTP. The server keeps nothing of an episode: what a model remembers goes
both ways, so that a run resumes exactly and a restart of the server loses nothing."""

from __future__ import annotations

import json
import os
import time
import weakref
from collections.abc import Sequence
from typing import Any, cast

import httpx2

from roborew.errors import InvalidInputError, InvalidScoreError, MissingBackendError, first_line
from roborew.rewards.remote.tensors import Packed
from roborew.rewards.remote.wire import IDENTITY, pack_clips, unpack_scores
from roborew.short_repr import reward_repr
from roborew.types import Clip, RecurrentState, RewardModel, RewardSpec, Scores

ATTEMPTS = 3
PAUSE = 0.5
"""Before the second attempt [s]; it doubles."""
MAX_BYTES = 64 * 2**20
"""Of frames in one request; a single clip may have more."""
NOBODY = "Start one: roborew serve --reward mini --port 8765."


class RemoteReward:
    """Asks a server of `roborew serve`; use `connect`.

    Attributes:
        spec: the promise of the model there.
        identity: of the model there, which must stay the same.
    """

    __repr__ = reward_repr

    def __init__(self, client: httpx2.Client, url: str, about: dict[str, Any]) -> None:
        self._client = client
        # Nobody closes a reward; its connections end with it.
        weakref.finalize(self, client.close)
        self._url = url
        self.spec = RewardSpec(**about["spec"])
        self.identity: str = about["identity"]

    def score(self, clips: Sequence[Clip]) -> list[Scores]:
        """Score every frame of every clip.

        Raises:
            InvalidInputError: the model there refuses a clip; with its own words.
            MissingBackendError: the server does not answer any more, or serves another model now.
            InvalidScoreError: what it answers are no scores.
        """
        scores: list[Scores] = []
        for start, end in _requests(clips):
            part = clips[start:end]
            scores += self._ask("score", pack_clips(part), part)[0]
        return scores

    def _ask(
        self, method: str, body: Packed, clips: Sequence[Clip]
    ) -> tuple[list[Scores], list[RecurrentState]]:
        answer = _request(self._client, "POST", f"{self._url}/v1/{method}", body)
        if answer.headers.get(IDENTITY) != self.identity:
            raise MissingBackendError(
                f"{self._url} serves another model now than when this began "
                f"({answer.headers.get(IDENTITY)}, not {self.identity}). Serve the first one again, "
                "or begin anew."
            )
        try:
            return unpack_scores(answer.content, [len(clip.frames) for clip in clips])
        except InvalidScoreError as error:
            raise InvalidScoreError(f"{self._url}: {error}") from error


class RemoteIncrementalReward(RemoteReward):
    """One whose model goes on from what it remembers."""

    def score_step(
        self, clips: Sequence[Clip], states: Sequence[RecurrentState]
    ) -> tuple[list[Scores], list[RecurrentState]]:
        """Score the next frames of episodes; see `roborew.types.IncrementalRewardModel`."""
        return self._ask("score_step", pack_clips(clips, states), clips)


def connect(
    url: str, *, token_env: str | None = None, timeout: float = 60.0, device: str = "cpu"
) -> RewardModel:
    """Return a reward that a server computes.

    Args:
        url: where it listens, such as ``http://127.0.0.1:8765``.
        token_env: environment variable that holds the server's token, where it has one.
        timeout: of one answer [s].
        device: not used: the server has its own.

    Raises:
        InvalidInputError: no such address, or a timeout that is none.
        MissingBackendError: nothing of `roborew serve` answers there, or it wants another token.
    """
    del device
    if not 0 < timeout < float("inf"):
        raise InvalidInputError(f"timeout: expected seconds above 0; got {timeout}.")
    url = url.rstrip("/")
    headers: dict[str, str] = {}
    if token_env is not None:
        headers["Authorization"] = f"Bearer {read_token(token_env)}"
    client = httpx2.Client(headers=headers, timeout=timeout, follow_redirects=False)
    try:
        answer = _request(client, "GET", f"{url}/v1/spec")
        about = cast("dict[str, Any]", json.loads(answer.content))
        kind = RemoteIncrementalReward if about["incremental"] else RemoteReward
        return kind(client, url, about)
    except BaseException as error:
        client.close()
        if isinstance(error, (json.JSONDecodeError, KeyError, TypeError)):
            raise MissingBackendError(
                f"{url} is no server of roborew's: {first_line(error)}. {NOBODY}"
            ) from error
        raise


def read_token(variable: str) -> str:
    """Return the token that an environment variable holds.

    Raises:
        MissingBackendError: it holds none.
    """
    token = os.environ.get(variable, "")
    if not (token and token.isascii() and token.isprintable() and " " not in token):
        raise MissingBackendError(
            f"the environment variable {variable} holds no token; set it, e.g. export {variable}=..."
        )
    return token


def _requests(clips: Sequence[Clip]) -> list[tuple[int, int]]:
    """Where requests begin and end, none of them much larger than `MAX_BYTES`."""
    requests: list[tuple[int, int]] = []
    start = size = 0
    for end, clip in enumerate(clips, start=1):
        size += clip.frames.nbytes
        if size >= MAX_BYTES or end == len(clips):
            requests.append((start, end))
            start, size = end, 0
    return requests


def _request(
    client: httpx2.Client, method: str, url: str, body: Packed | None = None
) -> httpx2.Response:
    """Return an answer that is one; what may pass is tried again, as asking changes nothing."""
    fault = ""
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(PAUSE * 2 ** (attempt - 1))
        try:
            # Without a length it would be sent in chunks that the server does not read.
            headers = {} if body is None else {"Content-Length": str(len(body))}
            answer = client.request(method, url, content=body, headers=headers)
        except (httpx2.InvalidURL, httpx2.UnsupportedProtocol) as error:
            raise InvalidInputError(f"reward: no address {url!r}: {first_line(error)}") from error
        except httpx2.HTTPError as error:
            fault = first_line(error) or type(error).__name__
            continue
        if answer.status_code == 200:
            return answer
        fault = f"{answer.status_code} {_message(answer)}"
        if answer.status_code < 500:
            break
    if fault.startswith("400 "):
        raise InvalidInputError(f"{url}: {fault.removeprefix('400 ')}")
    if fault.startswith("401 "):
        raise MissingBackendError(
            f"{url} wants a token: give --reward.token-env NAME of the variable that holds it."
        )
    raise MissingBackendError(f"{url} does not answer as roborew serve does: {fault}. {NOBODY}")


def _message(answer: httpx2.Response) -> str:
    try:
        return str(json.loads(answer.content)["error"])[:2000]
    except (ValueError, KeyError, TypeError, RecursionError):
        return answer.reason_phrase
