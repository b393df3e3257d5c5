"""Image towers without a text side: those of timm, and the ResNets of VIP and R3M."""

from __future__ import annotations

from typing import Any, cast

import timm
import torch
import torchvision
from timm import data as timm_data
from torch import nn

from roborew.encoders.embedder import PretrainedModel
from roborew.encoders.preprocess import IMAGENET_MEAN, IMAGENET_STD, Preprocessing, channels
from roborew.errors import InvalidInputError, MissingBackendError, UnknownNameError
from roborew.weights.files import (
    check_file,
    file_sha256,
    fill,
    local_file,
    read_tensors,
    without_prefix,
)
from roborew.weights.hub import hub_file

RESNETS = ("resnet18", "resnet34", "resnet50")
VIP_WIDTH = 1024


def load_timm(
    model: str, pretrained: str | None, revision: str | None, sha256: str | None
) -> PretrainedModel:
    """Load a tower of timm without its classifier.

    Args:
        model: such as "vit_small_patch14_dinov2.lvd142m".
        pretrained: a .safetensors file; from the hub, under the model's own name there, if not
            given.
        revision: commit of the repository on the hub.
        sha256: that the weight file must have.

    Raises:
        UnknownNameError: timm has no such model.
        MissingBackendError, InvalidInputError, CorruptFileError: as in `roborew.weights`.
    """
    network = _create_timm(model)
    about = cast("dict[str, Any]", cast(Any, network).pretrained_cfg)
    if pretrained is None and not about.get("hf_hub_id"):
        raise MissingBackendError(
            f"weights: timm knows none for {model}; give pretrained=FILE.safetensors."
        )
    file = (
        local_file(pretrained)
        if pretrained
        else hub_file(about["hf_hub_id"], ["model.safetensors"], revision)
    )
    heads = about.get("classifier") or ()
    heads = (heads,) if isinstance(heads, str) else tuple(heads)
    prefixes = tuple(f"{head}." for head in heads)
    tensors = read_tensors(file, sha256, lambda name: not name.startswith(prefixes))
    fill(network, tensors, file)
    return PretrainedModel(
        network.eval(), _timm_pictures(network), f"timm {model} {sha256 or file_sha256(file)}"
    )


def _create_timm(model: str) -> nn.Module:
    library = cast(Any, timm)
    name, _, tag = model.partition(".")
    if not library.is_model(name):
        raise UnknownNameError("timm model", name, library.list_models())
    try:
        return library.create_model(model, pretrained=False, num_classes=0)
    # A tag with a slash or a colon in it would be a folder to timm.
    except (RuntimeError, ValueError) as error:
        variants: list[str] = library.list_pretrained(f"{name}.*")
        tags = [variant.partition(".")[2] for variant in variants]
        raise UnknownNameError(f"pretrained tag of {name}", tag, tags) from error


def _timm_pictures(network: nn.Module) -> Preprocessing:
    about = cast("dict[str, Any]", cast(Any, timm_data).resolve_model_data_config(network))
    height, width = about["input_size"][1:]
    if height != width:
        raise InvalidInputError(
            f"model: reads pictures of {width} x {height}; only square ones are supported."
        )
    squash = about["crop_mode"] == "squash"
    return Preprocessing(
        size=height,
        fit="squash" if squash else "crop",
        edge=None if squash else int(height / about["crop_pct"]),
        kernel="bilinear" if about["interpolation"] == "bilinear" else "bicubic",
        mean=channels(about["mean"]),
        std=channels(about["std"]),
    )


def load_vip(
    model: str, pretrained: str | None, revision: str | None, sha256: str | None
) -> PretrainedModel:
    """Load VIP (arXiv:2210.00030): a ResNet whose last layer gives 1024 numbers; errors as in
    `load_timm`."""
    return _load_resnet("vip", model, pretrained, sha256, VIP_WIDTH)


def load_r3m(
    model: str, pretrained: str | None, revision: str | None, sha256: str | None
) -> PretrainedModel:
    """Load R3M (arXiv:2203.12601): a ResNet without its last layer; errors as in `load_timm`."""
    return _load_resnet("r3m", model, pretrained, sha256, None)


def _load_resnet(
    kind: str, model: str, pretrained: str | None, sha256: str | None, width: int | None
) -> PretrainedModel:
    if model not in RESNETS:
        raise UnknownNameError(f"ResNet of {kind}", model, RESNETS)
    if pretrained is None:
        raise MissingBackendError(
            f"weights: {kind} is not on the hub as safetensors. Download the authors' "
            f"check-point, convert it and give "
            "pretrained=FILE.safetensors; see the message for a file that is not there."
        )
    file = local_file(pretrained)
    network = getattr(torchvision.models, model)(weights=None)
    network.fc = nn.Linear(network.fc.in_features, width) if width else nn.Identity()
    # Check-points hold the language side and the data-parallel wrapper, too.
    has_trunk = any("convnet." in name for name in check_file(file))
    tensors = read_tensors(file, sha256, lambda name: "convnet." in name or not has_trunk)
    if has_trunk:
        tensors = {name.partition("convnet.")[2]: tensor for name, tensor in tensors.items()}
    tensors = without_prefix(tensors, ("module.",))
    for name, own in network.state_dict().items():
        if name.endswith(
            "num_batches_tracked"
        ):  # old files lack this counter, which only training reads
            tensors.setdefault(name, torch.zeros_like(own))
    fill(network, tensors, file)
    pictures = Preprocessing(
        size=224, edge=256, kernel="bilinear", mean=IMAGENET_MEAN, std=IMAGENET_STD
    )
    return PretrainedModel(
        network.eval(), pictures, f"{kind} {model} {sha256 or file_sha256(file)}"
    )
