"""Tiny picture towers with numbers of our own for weights, in the files of real ones: no test needs
a download."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import timm
import torch
import torchvision
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import (
    BitImageProcessor,
    CLIPConfig,
    CLIPModel,
    Dinov2Config,
    Dinov2Model,
    SiglipConfig,
    SiglipModel,
)

from tests.tiny_models import tiny_tokenizer

TEXT = {"context_length": 24, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2}
VIT = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 64, "patch_size": 16, "layers": 2, "width": 32, "head_width": 16},
    "text_cfg": TEXT,
}
RESNET = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 64, "layers": [1, 1, 1, 1], "width": 8, "patch_size": None},
    "text_cfg": TEXT,
}
SIGLIP = {
    "embed_dim": 16,
    "init_logit_bias": -10,
    "custom_text": True,
    "vision_cfg": {
        "image_size": 64,
        "timm_model_name": "test_vit",
        "timm_pool": "token",
        "timm_proj": "linear",
    },
    "text_cfg": {
        **TEXT,
        "vocab_size": 400,
        "hf_tokenizer_name": "beside the configuration",
        "tokenizer_kwargs": {"clean": "canonicalize"},
        "no_causal_mask": True,
        "proj_bias": True,
        "pool_type": "last",
    },
}
INCEPTION = {
    "mean": [0.5] * 3,
    "std": [0.5] * 3,
    "interpolation": "bicubic",
    "resize_mode": "squash",
}


def tiny_clip(
    folder: Path,
    config: dict[str, Any] = VIT,
    pictures: dict[str, Any] | None = None,
    seed: int = 0,
) -> Path:
    """Write an image-text model of open_clip as a folder, about seven megabytes, and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    said = {"model_cfg": config, "preprocess_cfg": pictures or {}}
    (folder / "open_clip_config.json").write_text(json.dumps(said))
    parts = json.loads(json.dumps(config))
    kind = open_clip.CustomTextCLIP if parts.pop("custom_text", False) else open_clip.CLIP
    write(kind(**parts), folder / "open_clip_model.safetensors", seed)
    return folder


def tiny_siglip(folder: Path) -> Path:
    """A SigLIP of open_clip: a tower of timm, sigmoid loss, pictures squashed, a tokenizer of its
    own."""
    tiny_tokenizer().save_pretrained(tiny_clip(folder, SIGLIP, INCEPTION))
    return folder


def tiny_dinov2(folder: Path) -> Path:
    """Write a DINOv2 of transformers as a folder, and return it."""
    size = {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "image_size": 28,
        "patch_size": 14,
    }
    network = numbered(Dinov2Model(Dinov2Config(**size)), 0)
    network.save_pretrained(folder)
    edges = {"size": {"shortest_edge": 32}, "crop_size": {"height": 28, "width": 28}}
    BitImageProcessor(
        **edges, image_mean=[0.485, 0.456, 0.406], image_std=[0.229, 0.224, 0.225]
    ).save_pretrained(folder)
    return folder


def tiny_joint(folder: Path, kind: str, context: int = 24) -> Path:
    """Write a CLIP or a SigLIP of transformers, tokenizer included, as a folder, and return it."""
    tokenizer = tiny_tokenizer()
    layers = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
    }
    end = {"pad_token_id": tokenizer.pad_token_id, "eos_token_id": tokenizer.pad_token_id}
    sizes = {
        "text_config": {
            **layers,
            **end,
            "vocab_size": len(tokenizer),
            "max_position_embeddings": context,
        },
        "vision_config": {**layers, "image_size": 28, "patch_size": 14},
    }
    network = (
        CLIPModel(CLIPConfig(projection_dim=16, **sizes))
        if kind == "clip"
        else SiglipModel(SiglipConfig(**sizes))
    )
    numbered(network, 0).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    edges = {"size": {"shortest_edge": 28}, "crop_size": {"height": 28, "width": 28}}
    BitImageProcessor(**edges).save_pretrained(folder)
    return folder


def tiny_timm(file: Path) -> Path:
    """Write the weights of timm's "test_vit", classifier included, and return the file."""
    return write(timm.create_model("test_vit"), file)


def r3m_like(file: Path) -> Path:
    """Write a ResNet-18 as R3M's check-points have it: wrapped, with the language side, and return
    the file."""
    return _resnet(file, nn.Identity(), {"module.lang_rew.pred.0.weight": torch.ones(2, 2)})


def vip_like(file: Path) -> Path:
    """Write a ResNet-18 as VIP's check-points have it: wrapped, with a last layer of 1024, and
    return the file."""
    return _resnet(file, nn.Linear(512, 1024), {})


def _resnet(file: Path, last: nn.Module, more: dict[str, Tensor]) -> Path:
    network = torchvision.models.resnet18()
    network.fc = last
    tensors = {
        f"module.convnet.{name}": tensor
        for name, tensor in numbered(network, 0).state_dict().items()
    }
    save_file({**tensors, **more}, file)
    return file


def write(network: nn.Module, file: Path, seed: int = 0) -> Path:
    save_file(
        {name: t.contiguous() for name, t in numbered(network, seed).state_dict().items()}, file
    )
    return file


def numbered(network: Any, seed: int) -> Any:
    """Fill a network with numbers that depend on the seed and the weights' names alone, whatever
    the library draws."""
    filled = {name: random_numbers(name, own, seed) for name, own in network.state_dict().items()}
    network.load_state_dict(filled)
    return network.eval()


def random_numbers(name: str, own: Tensor, seed: int) -> Tensor:
    """Numbers for a weight of this name, of the shape of its own ones; a count stays as it is."""
    if own.ndim == 0 or not own.is_floating_point() or name.startswith("logit"):
        return own
    noise = np.random.default_rng([seed, *name.encode()]).standard_normal(own.shape, np.float32)
    if own.ndim > 1:
        noise /= np.sqrt(np.prod(own.shape[1:]))
    elif name.endswith(("weight", "running_var", "lambda1", "gamma")):
        noise = 1 + 0.1 * np.abs(noise)
    else:
        noise *= 0.1
    return torch.from_numpy(noise)
