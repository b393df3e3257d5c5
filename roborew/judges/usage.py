"""What a server says of itself: the models that it has, which one answered, and the tokens that were
counted."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from typing import Any, cast

import httpx2

from roborew.errors import MissingBackendError
from roborew.judges.openai_protocol import FaultError, read_reply


@dataclass(slots=True)
class Usage:
    """Counted over all replies of a judge.

    Attributes:
        models: that answered, by the names that replies give them.
        prompt_tokens: of questions; 0 where the server counts none.
        completion_tokens: of replies.
    """

    models: set[str] = field(default_factory=set[str])
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def add(self, reply: dict[str, Any]) -> None:
        """Count a reply; what it does not say, or says in another form, counts nothing."""
        model = reply.get("model")
        if isinstance(model, str):
            self.models.add(model)
        usage = reply.get("usage")
        if isinstance(usage, dict):
            counts = cast("dict[str, Any]", usage)
            self.prompt_tokens += _count(counts.get("prompt_tokens"))
            self.completion_tokens += _count(counts.get("completion_tokens"))


def _count(value: object) -> int:
    # A bool is an int.
    return value if isinstance(value, int) and value is not True and value > 0 else 0


def fetch_models(
    base_url: str, model: str, key: str, verify: ssl.SSLContext, seconds: float
) -> list[str]:
    """Names of the models of a server; none where it does not list them, or is too busy to say.

    Args:
        base_url: where its API begins.
        model: that is wanted, for the message.
        key: that it asks for; "" without one.
        verify: the certificates that are trusted.
        seconds: to wait for it.

    Raises:
        MissingBackendError: nothing listens there, or the key is refused; the message says what to
            start.
    """
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        response = httpx2.get(
            f"{base_url}/models", headers=headers, verify=verify, trust_env=False, timeout=seconds
        )
    except httpx2.ReadTimeout:
        return []  # it listens, and is busy
    except httpx2.HTTPError as error:
        raise MissingBackendError(
            f"openai judge: no server answers at {base_url} ({error}). Start one, such as "
            f"`vllm serve {model} --port 8000` or `llama-server -m MODEL.gguf --mmproj "
            "MMPROJ.gguf --port 8000`, or give its address as base_url (--judge.base-url)."
        ) from error
    if response.status_code in (401, 403):
        raise MissingBackendError(
            f"openai judge: {base_url} refuses the key (status {response.status_code}); name "
            "the environment variable that holds it as api_key_env "
            "(--judge.options api_key_env=NAME)."
        )
    return _names(response) if response.status_code == 200 else []


def _names(response: httpx2.Response) -> list[str]:
    try:
        entries = read_reply(response.content).get("data")
    except FaultError:
        return []
    rows = cast("list[Any]", entries) if isinstance(entries, list) else []
    names = [cast("dict[str, Any]", row).get("id") for row in rows if isinstance(row, dict)]
    return [name for name in names if isinstance(name, str)]
