"""The OpenAI protocol as pure functions: a question as the body of a request, the body of a reply
as an answer."""

from __future__ import annotations

import base64
import io
import json
import math
from typing import Any, Literal, cast

from PIL import Image

from roborew.judges.types import Answer, Part, Question
from roborew.types import Frame

ImageFormat = Literal["png", "jpeg"]


class FaultError(Exception):
    """One attempt failed. ``retryable``: another one can help; ``retry_after``: the pause that the
    server asks for [s]."""

    def __init__(
        self, reason: str, *, retryable: bool = True, retry_after: float | None = None
    ) -> None:
        super().__init__(reason)
        self.retryable = retryable
        self.retry_after = retry_after


def request_body(
    question: Question, model: str, image_format: ImageFormat, top_logprobs: int
) -> bytes:
    """Return the JSON body for ``/chat/completions`` (``question.chat``) or else ``/completions``
    (text only).

    A video becomes its frames, in order: the protocol has no videos.
    """
    body: dict[str, Any] = {
        "model": model,
        "temperature": 0,
        "seed": 0,
        # One token at least: the probabilities that are read are those of the first.
        "max_tokens": max(question.max_tokens, 1),
    }
    if question.chat:
        content = [piece for part in question.parts for piece in _content_parts(part, image_format)]
        system = [{"role": "system", "content": question.system}] if question.system else []
        body["messages"] = [*system, {"role": "user", "content": content}]
        if question.choices and top_logprobs:
            body |= {"logprobs": True, "top_logprobs": top_logprobs}
    else:
        body["prompt"] = "".join(part for part in question.parts if isinstance(part, str))
        if question.choices and top_logprobs:
            body["logprobs"] = top_logprobs
    return json.dumps(body).encode()


def read_reply(body: bytes) -> dict[str, Any]:
    """Return the JSON object that a body is.

    Raises:
        FaultError: it is none, is cut short, or holds NaN or an infinity.
    """

    def refuse(constant: str) -> float:
        # Python's parser takes NaN and infinities, which are no JSON.
        raise ValueError(constant)

    try:
        return _mapping(json.loads(body, parse_constant=refuse))
    except (ValueError, RecursionError) as error:
        raise FaultError("the reply is no JSON, or is cut short") from error


def read_answer(reply: dict[str, Any], question: Question) -> Answer:
    """Read a reply strictly.

    Probabilities are those of the choices among the first tokens that the server lists; where one
    is not listed there are none at all, because what is missing cannot be known.

    Raises:
        FaultError: it lacks a field of the protocol, holds no single choice, or a number that is no
            log-probability.
    """
    if reply.get("error"):
        raise FaultError("the server reports an error inside its reply")
    choices = reply.get("choices")
    if not isinstance(choices, list) or len(cast("list[Any]", choices)) != 1:
        raise FaultError("expected one choice in the reply")
    choice = _mapping(cast("list[Any]", choices)[0])
    if choice.get("finish_reason") == "content_filter":
        return Answer(abstained="filtered by the server")
    text = _mapping(choice.get("message")).get("content") if question.chat else choice.get("text")
    if question.max_tokens and not isinstance(text, str):
        return Answer(abstained="no text in the reply")
    log_probs = _choice_log_probs(choice, question) if question.choices else {}
    if not question.max_tokens and not log_probs:
        return Answer(abstained="the server does not list every choice")
    return Answer(text=text if question.max_tokens else None, log_probs=log_probs)


def _choice_log_probs(reply_choice: dict[str, Any], question: Question) -> dict[str, float]:
    listed = _first_tokens(reply_choice.get("logprobs"), question.chat)
    listed_choices = {choice: listed[choice] for choice in question.choices if choice in listed}
    # An unlisted choice has some probability, and nobody can say how much.
    is_enough = question.any_choices or len(listed_choices) == len(question.choices)
    return listed_choices if is_enough else {}


def _first_tokens(logprobs: object, chat: bool) -> dict[str, float]:
    """First token -> its log-probability, as a server lists them; empty where it does not."""
    if logprobs is None:
        return {}
    steps = _mapping(logprobs).get("content" if chat else "top_logprobs")
    if not isinstance(steps, list) or not steps:
        return {}
    first = _mapping(cast("list[Any]", steps)[0])
    if not chat:
        return {token: _checked_log_prob(value) for token, value in first.items()}
    entries = first.get("top_logprobs")
    if not isinstance(entries, list):
        return {}
    rows = [_mapping(entry) for entry in cast("list[Any]", entries)]
    return {str(row.get("token")): _checked_log_prob(row.get("logprob")) for row in rows}


def _checked_log_prob(value: object) -> float:
    # A bool is an int: JSON's false would pass as the log-probability 0.
    if (
        isinstance(value, bool)
        or not isinstance(value, float | int)
        or not -math.inf < value <= 1e-3
    ):
        raise FaultError("a log-probability in the reply is no finite number of at most 0")
    return float(value)


def _content_parts(part: Part, image_format: ImageFormat) -> list[dict[str, Any]]:
    if isinstance(part, str):
        return [{"type": "text", "text": part}]
    frames = [part] if part.ndim == 3 else list(part)
    return [
        {"type": "image_url", "image_url": {"url": data_url(frame, image_format)}}
        for frame in frames
    ]


def data_url(frame: Frame, image_format: ImageFormat) -> str:
    """A picture as a ``data:`` URL: nothing is fetched from anywhere."""
    # PNG is lossless at every level, and level 1 is several times faster than the default.
    buffer = io.BytesIO()
    Image.fromarray(frame).save(
        buffer,
        image_format,
        **({"quality": 95} if image_format == "jpeg" else {"compress_level": 1}),
    )
    return f"data:image/{image_format};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _mapping(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise FaultError("the reply lacks a field of the protocol")
    return cast("dict[str, Any]", value)
