"""A vision-language model behind any OpenAI-compatible server (vLLM, SGLang): bounded in time,
never out of order."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import uuid
from collections.abc import Coroutine, Mapping, Sequence
from pathlib import Path
from ssl import create_default_context
from threading import Thread
from typing import Any, ClassVar, Literal

import httpx2

from roborew.errors import InvalidInputError, MissingBackendError, RoborewError
from roborew.judges.circuit_breaker import CircuitBreaker
from roborew.judges.openai_protocol import (
    FaultError,
    ImageFormat,
    read_answer,
    read_reply,
    request_body,
)
from roborew.judges.types import Answer, Progress, Question
from roborew.judges.usage import Usage, fetch_models

logger = logging.getLogger(__name__)

MAX_REPLY_BYTES = 8 * 2**20
PROBE_SECONDS = 5.0
"""For a server to say that it is there."""
MAX_PAUSE_SECONDS = 10.0
"""Between two attempts [s]."""
REQUEST_ID_PREFIX = "roborew-"
"""How the ids of our requests begin, so that a reply to another one of them is noticed."""


class ServerJudge:
    """Asks an OpenAI-compatible server; each question is one request with pictures inside it as
    data URLs.

    Probabilities of choices need a server that lists the first tokens (``top_logprobs``); a choice
    that is not listed is an abstention. Redirects are refused, TLS is verified, proxies and netrc
    of the environment are not used.

    Args:
        model: name under which the server knows the model.
        base_url: where the API begins, such as ``http://127.0.0.1:8000/v1``.
        revision: of the weights, as the person who serves them pins it; stands in the identity.
        api_key_env: environment variable that holds the key; the key is in no log, error or report.
        ca_file: certificates to trust in place of the system's, for a server with its own.
        deadline: longest time for one question, all attempts together [s].
        retry_pause: before the second attempt [s]; doubles each time, with jitter, or as the server asks
            (Retry-After).
        concurrency: questions in flight.
        on_failure: "abstain" from a question that failed, or "stop".
        breaker_failures: questions failed in a row after which the next ones fail at once.
        cool_down: for how long [s].
        image_format: lossless "png" or the smaller "jpeg".
        top_logprobs: first tokens whose probabilities the server is asked for. 20 is the protocol's
            most; vLLM goes beyond with its own ``--max-logprobs``; 0 for a server that lists none,
            so that methods read its text.
        bare_text: whether questions with ``chat=False`` may go to ``/completions``, which takes no
            pictures.

    Raises:
        InvalidInputError: a URL that is not http(s) or holds a password; a count or time that is
            not positive.
        MissingBackendError: the environment variable of the key is not set.
    """

    RENAMED: ClassVar[Mapping[str, str]] = {
        "url": "base_url",
        "pause": "retry_pause",
        "pictures": "image_format",
    }

    def __init__(
        self,
        *,
        model: str,
        base_url: str = "http://127.0.0.1:8000/v1",
        revision: str = "served",
        api_key_env: str | None = None,
        ca_file: Path | None = None,
        deadline: float = 120.0,
        retry_pause: float = 0.5,
        concurrency: int = 16,
        on_failure: Literal["abstain", "stop"] = "abstain",
        breaker_failures: int = 5,
        cool_down: float = 30.0,
        image_format: ImageFormat = "png",
        top_logprobs: int = 20,
        bare_text: bool = False,
    ) -> None:
        if (
            min(deadline, retry_pause, concurrency, breaker_failures, cool_down) <= 0
            or top_logprobs < 0
        ):
            raise InvalidInputError("openai judge: expected times and counts above 0.")
        self._base_url = _checked_url(base_url)
        self._key = _read_api_key(api_key_env)
        self._verify = (
            create_default_context(cafile=ca_file) if ca_file else httpx2.create_ssl_context()
        )
        self._model = model
        self._identity = f"{model}@{revision}"
        self._deadline = deadline
        self._retry_pause = retry_pause
        self._concurrency = concurrency
        self._on_failure = on_failure
        self._breaker = CircuitBreaker(breaker_failures, cool_down)
        self._image_format: ImageFormat = image_format
        self._top_logprobs = top_logprobs
        self._bare_text = bare_text
        self.progress: Progress | None = None
        self.usage = Usage()

    @property
    def identity(self) -> str:
        """``model@revision`` as given."""
        return self._identity

    @property
    def gives_probabilities(self) -> bool:
        """Whether they are asked for; a server that then does not list them makes abstentions."""
        return self._top_logprobs > 0

    def check_reachable(self) -> list[str]:
        """Return the models that the server lists, if it does; raise unless something answers at the
        address: said at once, rather than after the deadline of the first question.

        Raises:
            MissingBackendError: nothing listens there, or the key is refused; the message says what to
                start.
        """
        seconds = min(self._deadline, PROBE_SECONDS)
        return fetch_models(self._base_url, self._model, self._key, self._verify, seconds)

    def ask(self, questions: Sequence[Question]) -> list[Answer]:
        """Answer every question within ``deadline`` each.

        Raises:
            InvalidInputError: a question in bare text that cannot be put to a server.
            RoborewError: a question failed and ``on_failure`` is "stop".
        """
        for question in questions:
            self._check(question)
        return _run_in_thread(self._ask_all(questions)) if questions else []

    def _check(self, question: Question) -> None:
        if question.chat:
            return
        if not self._bare_text or not all(isinstance(part, str) for part in question.parts):
            raise InvalidInputError(
                "openai judge: a question in bare text cannot go through the chat endpoint, which "
                "puts its template "
                "around it, and /completions takes no pictures (allow it for text with "
                "bare_text=yes). "
                "Use the transformers judge, or ask in the chat template where the method can "
                "(topreward: chat_template=True)."
            )

    async def _ask_all(self, questions: Sequence[Question]) -> list[Answer]:
        waiting = iter(enumerate(questions))
        answers: dict[int, Answer] = {}

        async def ask_in_turn() -> None:
            # A client each: one that many share looks through all its connections for every request.
            async with self._client() as client:
                for index, question in waiting:
                    answers[index] = await self._ask_one(client, question)
                    if self.progress:
                        self.progress(len(answers), len(questions))

        async with asyncio.TaskGroup() as group:
            for _ in range(min(self._concurrency, len(questions))):
                group.create_task(ask_in_turn())
        return [answers[index] for index in range(len(questions))]

    def _client(self) -> httpx2.AsyncClient:
        # No compression: the limit of a reply's size counts the bytes that come.
        headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        limits = httpx2.Limits(max_connections=1)
        return httpx2.AsyncClient(
            headers=headers, verify=self._verify, trust_env=False, limits=limits
        )

    async def _ask_one(self, client: httpx2.AsyncClient, question: Question) -> Answer:
        if self._breaker.is_open:
            return self._failure("left alone after several failures in a row")
        # Pictures take milliseconds to encode, which would hold up all other questions.
        body = await asyncio.to_thread(
            request_body, question, self._model, self._image_format, self._top_logprobs
        )
        faults: list[FaultError] = []
        try:
            async with asyncio.timeout(self._deadline) as limit:
                answer = await self._ask_with_retries(
                    client, body, question, faults, limit.when() or 0.0
                )
        except FaultError as fault:
            return self._failure(str(fault))
        except TimeoutError:
            self._breaker.record_failure()
            return self._failure(
                f"no answer within {self._deadline:g} s ({faults[-1] if faults else 'no reply'})"
            )
        self._breaker.record_success()
        return answer

    async def _ask_with_retries(
        self,
        client: httpx2.AsyncClient,
        body: bytes,
        question: Question,
        faults: list[FaultError],
        end: float,
    ) -> Answer:
        """Try until there is an answer, or a fault that another attempt cannot mend; faults are
        noted on the way."""
        while True:
            # A connection that is cancelled in its TLS handshake is never closed by the client; one
            # that times out is. Less than half of what is left, once for TCP and again for TLS.
            seconds_left = max(end - asyncio.get_running_loop().time(), 0.0)
            connecting = 0.45 * seconds_left
            try:
                return await self._attempt(
                    client, body, question, httpx2.Timeout(None, connect=connecting)
                )
            except FaultError as fault:
                if not fault.retryable:
                    raise
                pause = min(self._retry_pause * 2 ** min(len(faults), 20), MAX_PAUSE_SECONDS)
                # Jitter, so that the questions in flight do not come back all at once.
                pause *= random.uniform(0.5, 1.0)
                faults.append(fault)
                await asyncio.sleep(fault.retry_after or pause)

    async def _attempt(
        self, client: httpx2.AsyncClient, body: bytes, question: Question, timeout: httpx2.Timeout
    ) -> Answer:
        own = {"X-Request-Id": f"{REQUEST_ID_PREFIX}{uuid.uuid4().hex}"}
        url = (
            f"{self._base_url}/chat/completions"
            if question.chat
            else f"{self._base_url}/completions"
        )
        try:
            async with client.stream(
                "POST", url, content=body, headers=own, timeout=timeout
            ) as response:
                reply = await _read_body(response)
        except httpx2.HTTPError as error:
            raise FaultError(f"{type(error).__name__}: {error}") from error
        _check_status(response, reply)
        content = read_reply(reply)
        for label in (response.headers.get("X-Request-Id", ""), str(content.get("id"))):
            if REQUEST_ID_PREFIX in label and own["X-Request-Id"] not in label:
                raise FaultError("a reply to another question")
        self.usage.add(content)
        if len(self.usage.models) > 1:
            models = ", ".join(sorted(self.usage.models))
            # Whose answer it is decides what it is worth, and where it is kept.
            raise FaultError(f"its model changed: {models} have answered", retryable=False)
        return read_answer(content, question)

    def _failure(self, reason: str) -> Answer:
        reason = (reason.replace(self._key, "***") if self._key else reason)[:300]
        logger.info("%s: a question failed: %s", self._identity, reason)
        if self._on_failure == "stop":
            raise RoborewError(
                f"openai judge {self._identity} at {self._base_url}: {reason}. Check the server, or "
                f"let the run go on with "
                "on_failure=abstain."
            )
        return Answer(abstained=f"server: {reason}")


async def _read_body(response: httpx2.Response) -> bytes:
    """The body as it came, never more than `MAX_REPLY_BYTES` of it."""
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > MAX_REPLY_BYTES:
            raise FaultError(f"a reply of more than {MAX_REPLY_BYTES:,} bytes", retryable=False)
    return bytes(body)


def _check_status(response: httpx2.Response, reply: bytes) -> None:
    status = response.status_code
    if status == 200:
        return
    if status in (408, 409, 425, 429) or status >= 500:
        retry_after = response.headers.get("Retry-After", "")
        raise FaultError(
            f"status {status}",
            retry_after=float(retry_after)
            if retry_after.isdecimal() and len(retry_after) < 6
            else None,
        )
    reasons = {
        401: "the key is refused",
        403: "the key is refused",
        404: "no such model or address",
    }
    reason = reasons.get(
        status, "a redirect, refused" if status < 400 else ascii(reply.decode(errors="replace"))
    )
    raise FaultError(f"status {status}: {reason}", retryable=False)


def _run_in_thread(work: Coroutine[Any, Any, list[Answer]]) -> list[Answer]:
    """Run in a thread of its own: callers may have an event loop, and nobody waits for a name
    look-up that hangs."""
    loop = asyncio.new_event_loop()

    def turn() -> None:
        loop.run_forever()
        loop.run_until_complete(_cancel_tasks())
        loop.close()

    Thread(target=turn, name="roborew-judge", daemon=True).start()
    try:
        return asyncio.run_coroutine_threadsafe(work, loop).result()
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None
    finally:
        loop.call_soon_threadsafe(loop.stop)


async def _cancel_tasks() -> None:
    """End what an interrupt left, and let connections that were given up close."""
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
    await asyncio.sleep(0)


def _checked_url(url: str) -> str:
    expected = "url: expected http(s)://HOST[:PORT]/PATH without password or query (a key goes into api_key_env)"
    try:
        parts = httpx2.URL(url)
    except httpx2.InvalidURL as error:
        raise InvalidInputError(f"{expected}; {error}.") from None
    if (
        parts.scheme not in ("http", "https")
        or not parts.host
        or parts.userinfo
        or parts.query
        or parts.fragment
    ):
        raise InvalidInputError(f"{expected}; got scheme {parts.scheme!r} and host {parts.host!r}.")
    return url.rstrip("/")


def _read_api_key(variable: str | None) -> str:
    key = os.environ.get(variable, "") if variable else ""
    if variable and not (key and key.isascii() and key.isprintable()):
        raise MissingBackendError(
            f"the environment variable {variable} holds no key; set it, e.g. export {variable}=..."
        )
    return key
