"""Image towers of transformers, such as DINOv2 or CLIP: native classes, safetensors and every
weight, or an error."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from transformers import AutoImageProcessor, AutoModel, AutoTokenizer

from roborew.encoders.embedder import PretrainedModel, too_long
from roborew.encoders.preprocess import Preprocessing, channels
from roborew.errors import CorruptFileError, InvalidInputError, MissingBackendError, first_line
from roborew.types import FloatArray
from roborew.weights.budget import NetworkBudget
from roborew.weights.files import check_file, check_finite, check_names, file_sha256, local_file
from roborew.weights.folder import explain, vetted_folder
from roborew.weights.hub import HUB, hub_folder

WEIGHTS = "model.safetensors"
JOINT = ("clip", "siglip", "siglip2")
"""Model types whose pictures and sentences are embedded in one space."""
VOCABULARIES = ("tokenizer.json", "vocab.json", "spiece.model", "tokenizer.model")
"""Files of which a tokenizer needs one."""
OPTIONS: dict[str, Any] = {"trust_remote_code": False, "local_files_only": True}
HEADS = ("classifier.", "decoder.", "head.", "lm_head.", "cls.", "projector.")
"""Parts of a checkpoint that read a tower's vectors when it was trained, and are not used here."""
BILINEAR = 2
"""Pillow's number of the filter."""


class _Pooled(nn.Module):
    """The one vector that a tower gives for a picture: what it pools itself, else its class token;
    of a model that reads sentences too, in the space of both."""

    def __init__(self, network: Any, joint: bool) -> None:
        super().__init__()
        self.network = getattr(network, "vision_model", network)
        self.projection = (
            getattr(network, "visual_projection", None) if joint else None
        ) or nn.Identity()

    def forward(self, pictures: Tensor) -> Tensor:
        output = self.network(pixel_values=pictures)
        pooled = getattr(output, "pooler_output", None)
        return cast(
            Tensor, self.projection(output.last_hidden_state[:, 0] if pooled is None else pooled)
        )


class _Sentences:
    """The text tower of a model that has one. Sentences are padded to its context, as SigLIP was
    trained; CLIP's look at nothing behind their end."""

    def __init__(self, network: Any, folder: Path) -> None:
        self._network = network.text_model.eval()
        self._folder = folder
        self._projection = getattr(network, "text_projection", None) or nn.Identity()
        config = network.config.text_config
        self._context = int(config.max_position_embeddings)
        self._tokenizer: Any = None

    @torch.inference_mode()
    def __call__(self, sentence: str) -> FloatArray:
        """See `PretrainedModel.encode_text`.

        Raises:
            InvalidInputError: the model would read only the beginning of the sentence.
            MissingBackendError: the tokenizer is not here.
        """
        if self._tokenizer is None:
            self._tokenizer = _tokenizer(self._folder)
        with explain(f"{self._folder}: the tokenizer"):
            read = self._tokenizer(
                sentence, padding="max_length", max_length=self._context, truncation=False
            )["input_ids"]
        if len(read) > self._context:
            raise too_long(sentence, self._context)
        pooled = self._network(input_ids=torch.tensor([read])).pooler_output
        return cast("FloatArray", self._projection(pooled)[0].float().numpy().astype(np.float32))


def _tokenizer(folder: Path) -> Any:
    """Where its vocabulary is absent, transformers would make an empty tokenizer and go on."""
    reason = f"none of {', '.join(VOCABULARIES)} is there"
    if any((folder / name).is_file() for name in VOCABULARIES):
        try:
            with vetted_folder(folder) as vetted, explain(folder):
                return cast(Any, AutoTokenizer).from_pretrained(vetted, **OPTIONS)
        except CorruptFileError as error:
            reason = first_line(error)
    raise MissingBackendError(
        f"goal: the tokenizer of {folder} cannot be read: {reason}. Put the files of its "
        f"tokenizer beside the weights."
    )


def load_transformers(
    model: str, pretrained: str | None, revision: str | None, sha256: str | None
) -> PretrainedModel:
    """Load an image tower.

    Args:
        model: a folder with ``config.json``, ``preprocessor_config.json`` and
            ``model.safetensors``, or a hub id.
        pretrained: must be left out: the weights belong to the folder.
        revision: commit of the repository on the hub.
        sha256: that the weight file must have.

    Raises:
        MissingBackendError: not here; the message says what to download and where to put it.
        InvalidInputError: ``pretrained`` is given, or pictures are made in a way that is not known
            here.
        CorruptFileError: a damaged file, another checksum, or not all weights.
    """
    if pretrained is not None:
        raise InvalidInputError(
            f"pretrained: {model} brings its own weights; leave out {pretrained!r}."
        )
    folder = Path(model).expanduser()
    if not folder.is_dir():
        folder = hub_folder(model.removeprefix(HUB), [WEIGHTS], revision)
    file = local_file(str(folder / WEIGHTS))
    with NetworkBudget(check_file(file, sha256).values(), file):
        network, processor = _read_folder(folder, model)
    joint = network.config.model_type in JOINT
    kind = f"transformers{' joint' if joint else ''}"
    identity = f"{kind} {network.config.to_json_string()} {sha256 or file_sha256(file)}"
    text = _Sentences(network, folder) if joint else None
    with explain(f"{model}: how its pictures are made"):
        pictures = _pictures(processor)
    return PretrainedModel(_Pooled(network, joint).eval(), pictures, identity, text)


def _read_folder(folder: Path, model: str) -> tuple[Any, Any]:
    """The network and the image processor of a folder.

    Raises:
        CorruptFileError: transformers cannot read it, or it lacks weights.
    """
    with vetted_folder(folder) as vetted, explain(f"{model}: an image tower of transformers"):
        network, report = cast(Any, AutoModel).from_pretrained(
            vetted,
            use_safetensors=True,
            output_loading_info=True,
            ignore_mismatched_sizes=True,
            **OPTIONS,
        )
        processor = cast(Any, AutoImageProcessor).from_pretrained(vetted, **OPTIONS)
    # transformers would only warn, and go on with random numbers or without what is left over.
    extra = [name for name in report["unexpected_keys"] if not name.startswith(HEADS)]
    changed = [str(name) for name, *_ in report["mismatched_keys"]]
    check_names(folder / WEIGHTS, report["missing_keys"], extra, changed)
    check_finite(folder / WEIGHTS, network.state_dict())
    return network, processor


def _pictures(processor: Any) -> Preprocessing:
    size = dict(processor.size)
    crop = dict(processor.crop_size or {}) if processor.do_center_crop else {}
    edge = size.get("shortest_edge")
    squash = size.get("height")
    side = crop.get("height") if edge else squash
    if (
        side is None
        or (squash or side) != (size.get("width") or side)
        or crop.get("width", side) != side
    ):
        raise InvalidInputError(
            f"model: pictures are resized to {size} and cut to {crop}; only squares are supported."
        )
    return Preprocessing(
        size=side,
        fit="crop" if edge else "squash",
        edge=edge,
        kernel="bilinear" if processor.resample == BILINEAR else "bicubic",
        mean=channels(processor.image_mean if processor.do_normalize else (0, 0, 0)),
        std=channels(processor.image_std if processor.do_normalize else (1, 1, 1)),
    )
