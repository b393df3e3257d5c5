"""What tiny towers of three architectures, and the two ways to prepare frames, gave when they were
last looked at.

    python -m tests.golden.embeddings

renews ``embeddings.safetensors`` beside this file; do so only after finding out why the numbers
moved.
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from safetensors.numpy import save_file

from roborew.encoders.embedder import Embedder, PretrainedModel
from roborew.encoders.open_clip import load_open_clip_tower
from roborew.encoders.preprocess import Preprocessing, vlm_rm
from roborew.encoders.transformers import load_transformers
from roborew.rewards.clip import ClipReward
from roborew.types import Clip, FloatArray, Video
from tests.roborew.encoders.tiny_towers import RESNET, tiny_clip, tiny_dinov2, tiny_siglip

GOLDEN = Path(__file__).with_suffix(".safetensors")
MADE_WITH = ("torch", "open_clip_torch", "timm", "transformers", "numpy")


def frames() -> Video:
    """Four smooth pictures, 72 x 96, in which red, green and blue tell different things."""
    rows, columns = np.mgrid[0:72, 0:96] / 72
    waves = [
        [np.sin((2 + c) * columns + t) * np.cos((3 - c) * rows - t) for c in range(3)]
        for t in range(4)
    ]
    return (127.5 + 127 * np.array(waves).transpose(0, 2, 3, 1)).astype(np.uint8)


def towers(folder: Path) -> dict[str, PretrainedModel]:
    return {
        "open_clip ViT": load_open_clip_tower(str(tiny_clip(folder / "vit")), None, None, None),
        "open_clip ResNet": load_open_clip_tower(
            str(tiny_clip(folder / "resnet", RESNET)), None, None, None
        ),
        "open_clip SigLIP": load_open_clip_tower(
            str(tiny_siglip(folder / "siglip")), None, None, None
        ),
        "transformers DINOv2": load_transformers(
            str(tiny_dinov2(folder / "dinov2")), None, None, None
        ),
    }


def compute(video: Video, folder: Path) -> dict[str, FloatArray]:
    """Everything that the golden file holds, of these frames."""
    found = {
        name: Embedder(tower, dtype="float32").embed([video])[0]
        for name, tower in towers(folder).items()
    }
    for name, how in (
        ("prepared, model", Preprocessing(size=16)),
        ("prepared, squash", vlm_rm(16)),
    ):
        found[name] = how(torch.as_tensor(video)).numpy()
    reward = ClipReward(
        model=str(folder / "vit"), alpha=0.5, baseline="a humanoid robot", dtype="float32"
    )
    found["clip"] = reward.score([Clip(frames=video, instruction="a humanoid robot kneeling")])[
        0
    ].value
    return found


if __name__ == "__main__":
    with TemporaryDirectory() as work:
        save_file(
            compute(frames(), Path(work)), GOLDEN, {name: version(name) for name in MADE_WITH}
        )
    print(f"wrote {GOLDEN}")
