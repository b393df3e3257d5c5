"""Which judge is asked and how its answers are read: one configuration for every reward on it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from roborew.judges.types import Judge


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeConfig:
    """Settings of a judge, the same for every reward that asks one."""

    backend: str | Judge = "transformers"
    """Name of a registered judge; from Python also a judge itself."""
    model: str | None = None
    """Model: hub id or folder (transformers), name on the server (openai), whose answers
    (recorded)."""
    base_url: str | None = None
    """Where the API of a server begins, such as ``http://127.0.0.1:8000/v1``."""
    options: tuple[str, ...] = ()
    """Further settings of the back end as ``key=value``, such as ``dtype=bfloat16``."""
    cache: Path | None = None
    """File of stored answers, which are not asked again; needs ``nonce_seed`` where text is
    parsed, since a new nonce makes a new question."""
    nonce_seed: str | None = None
    """Seed of the nonces that mark answers in text; a new one for each run if not given."""
    min_prob_mass: float | None = None
    """Probability, in [0, 1], that the allowed answers must hold together, or the answer is an
    abstention; the method's own if not given."""
    max_questions: int | None = None
    """Questions that one command may ask at most; stored answers do not count. When they are used up
    it stops with what it has."""
    parse_text: bool = False
    """Parse the written reply although the judge gives probabilities: for servers that list none,
    and models that reason before they answer."""


DEFAULT_JUDGE = JudgeConfig()
