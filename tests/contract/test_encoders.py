"""Every registered encoder keeps the laws of encoders. A new one is found by itself."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from roborew.checks.encoder import LAWS, EncoderSubject
from roborew.checks.laws import Law
from roborew.registry import encoders
from tests.roborew.encoders.tiny_towers import tiny_timm

STEPS = 6


def options(name: str, folder: Path) -> dict[str, object]:
    if name == "conv":
        return {"steps": STEPS}
    if name == "pretrained":
        weights = tiny_timm(folder / "weights.safetensors")
        return {"library": "timm", "model": "test_vit", "pretrained": str(weights)}
    return {}


@pytest.fixture(scope="module", params=sorted(encoders))
def subject(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> EncoderSubject:
    settings = options(request.param, tmp_path_factory.mktemp(request.param))
    return EncoderSubject(partial(encoders.load(request.param), **settings))


@pytest.mark.parametrize("law", LAWS.laws, ids=str)
def test_every_encoder_keeps_the_law(law: Law, subject: EncoderSubject) -> None:
    reason = law.check(subject)
    assert reason is None, reason
