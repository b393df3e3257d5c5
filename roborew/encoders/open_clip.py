"""Image-text models of open_clip: CLIP, SigLIP and their kin, from a tag, the hub, a folder or a
file."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import open_clip
import torch
from torch import Tensor, nn

from roborew.encoders.embedder import PretrainedModel, too_long
from roborew.encoders.preprocess import OPENAI_MEAN, OPENAI_STD, Fit, Preprocessing, channels
from roborew.errors import (
    CorruptFileError,
    InvalidInputError,
    MissingBackendError,
    UnknownNameError,
    first_line,
)
from roborew.storage.json_files import read_json_object
from roborew.types import FloatArray
from roborew.weights.budget import NetworkBudget
from roborew.weights.files import (
    check_file,
    file_sha256,
    fill,
    local_file,
    read_tensors,
    without_prefix,
)
from roborew.weights.folder import explain, vetted_folder
from roborew.weights.hub import HUB, hub_file, hub_folder
from roborew.weights.settings import model_settings, plain_words, processor_settings

logger = logging.getLogger(__name__)
library = cast(Any, open_clip)

RANDOM = "random"
"""In place of weights: random numbers from a fixed seed, for benchmarks and tests."""
WEIGHTS = "open_clip_model.safetensors"
LONGEST = 4 * 512
"""Tokens that no goal exceeds: one a byte."""
TOWERS = ("text_cfg", "vision_cfg")
TOKENIZER_WORDS = ("clean", "strip_sep_token")
"""What a configuration may ask of its tokenizer; the rest would go on to a loader of files."""
LAYER_WORDS = {"norm_kwargs": ("eps",), "act_kwargs": ("approximate",)}
"""What it may ask of layers; the rest would go on to their constructors."""
_NO_WEIGHTS = ("input_resolution", "context_length", "vocab_size")  # numbers in OpenAI's files


@dataclass(frozen=True, slots=True)
class Source:
    """Where an image-text model is described and where its weights are.

    Attributes:
        config: of the network and its tokenizer, as open_clip has it.
        pictures: how its pictures are made.
        weights: None for random ones.
        folder: that holds its tokenizer; None for an architecture that open_clip knows by name.
    """

    config: dict[str, Any]
    pictures: Mapping[str, Any]
    weights: Path | None
    folder: Path | None = None


class ImageText:
    """An image tower and a text tower with one embedding space.

    Attributes:
        tower: of images.
        logit_scale: the factor of similarities in the model's own loss, the inverse of its
            temperature.
    """

    def __init__(
        self, network: nn.Module, tokenizer: Callable[[], Any], tower: PretrainedModel
    ) -> None:
        model = cast(Any, network)
        self.tower = tower
        self.logit_scale = float(model.logit_scale.detach().exp())
        self._text = model
        self._find_tokenizer = tokenizer

    @cached_property
    def tokenizer(self) -> Any:
        """What cuts sentences into tokens.

        Raises:
            MissingBackendError: it is not here.
        """
        return self._find_tokenizer()

    @torch.inference_mode()
    def encode_text(self, text: str) -> FloatArray:
        """Return the embedding of a sentence, shape (D,), not normalised.

        Raises:
            InvalidInputError: the model would read only the beginning of the sentence.
            MissingBackendError: the tokenizer is not here.
        """
        tokenizer = self.tokenizer
        with explain("the tokenizer's configuration"):
            context = int(tokenizer.context_length)
            # A tokenizer cuts silently: with room to spare, what is behind the context must be
            # padding.
            roomy = cast(Tensor, tokenizer([text], context_length=context + LONGEST))
            tokens = tokenizer([text], context_length=context)
        behind = roomy[0, context:]
        padding = roomy[0, -1]
        if bool((behind != padding).any()):
            raise too_long(text, context)
        device = self._text.logit_scale.device
        embedding = self._text.encode_text(tokens.to(device))
        vector = cast("FloatArray", embedding[0].float().cpu().numpy())
        return vector.astype(np.float32)


def load_open_clip(
    model: str,
    pretrained: str | None = None,
    revision: str | None = None,
    sha256: str | None = None,
    text: bool = True,
) -> ImageText:
    """Load a model with all of its weights, or nothing.

    Args:
        model: an architecture such as "ViT-B-32", ``hf-hub:owner/name``, or a folder with
            ``open_clip_config.json`` and ``open_clip_model.safetensors``.
        pretrained: for an architecture: one of its tags, ``hf-hub:owner/name``, a .safetensors
            file, or "random".
        revision: commit of a repository on the hub.
        sha256: that the weight file must have.
        text: sentences will be encoded; otherwise no tokenizer is needed before the first one is.

    Raises:
        UnknownNameError: no such architecture or tag; close matches are offered.
        InvalidInputError: arguments that do not go together, or pickled weights.
        MissingBackendError: weights or tokenizer are not here; says what to download, and where to.
        CorruptFileError: a damaged file, another checksum, or weights of another architecture.
    """
    source = _find(model, pretrained, revision)
    network = _build(source, model)
    if source.weights is None:
        logger.warning("%s has random weights, as asked for: its scores mean nothing", model)
        weights = RANDOM
    else:
        _load(network, source.weights, sha256)
        weights = sha256 or file_sha256(source.weights)
    with explain(f"{model}: how its pictures are made"):
        preprocessing = _preprocessing(network, source.pictures)
    identity = f"open_clip {source.config} {weights}"
    tower = PretrainedModel(cast(Any, network).visual, preprocessing, identity)
    both = ImageText(network, partial(_tokenizer, source, model), tower)
    if text:
        _ = both.tokenizer
    return both


def load_open_clip_tower(
    model: str, pretrained: str | None, revision: str | None, sha256: str | None
) -> PretrainedModel:
    """The image tower, and what reads sentences; arguments and errors as in `load_open_clip`."""
    both = load_open_clip(model, pretrained, revision, sha256, text=False)
    return replace(both.tower, encode_text=both.encode_text)


def _find(model: str, pretrained: str | None, revision: str | None) -> Source:
    folder = Path(model).expanduser()
    if not model.startswith(HUB) and not folder.is_dir():
        return _find_builtin(model, pretrained, revision)
    if pretrained is not None:
        raise InvalidInputError(
            f"pretrained: {model} brings its own weights; leave out {pretrained!r}."
        )
    if model.startswith(HUB):
        folder = hub_folder(model.removeprefix(HUB), [WEIGHTS], revision)
    file = folder / "open_clip_config.json"
    if not file.is_file():
        raise CorruptFileError(f"{folder} holds no open_clip_config.json with a model_cfg.")
    settings = read_json_object(file)
    config = model_settings(_part(settings, "model_cfg", file), str(file))
    for tower in TOWERS:
        _part(config, tower, file)
    pictures = processor_settings(_part(settings, "preprocess_cfg", file), str(file))
    return Source(config, pictures, local_file(str(folder / WEIGHTS)), folder)


def _part(settings: Mapping[str, Any], name: str, file: Path) -> dict[str, Any]:
    part = settings.get(name, {} if name == "preprocess_cfg" else None)
    if not isinstance(part, dict):
        raise CorruptFileError(f"{file}: expected an object called {name}; got {part!r:.80}.")
    return cast("dict[str, Any]", part)


def _find_builtin(model: str, pretrained: str | None, revision: str | None) -> Source:
    config = library.get_model_config(model)
    if config is None:
        raise UnknownNameError("open_clip architecture", model, library.list_models())
    tags: list[str] = library.list_pretrained_tags_by_model(model)
    tag = (pretrained or "").lower().replace("-", "_")
    if tag in tags:
        pictures = library.get_pretrained_cfg(model, tag)
        # The weights decide which GELU they need; with the other one the numbers are wrong and
        # nothing says so.
        config["quick_gelu"] = pictures.get("quick_gelu", False)
        owner, _, file = pictures["hf_hub"].rpartition("/")
        if not owner:
            raise MissingBackendError(
                f"pretrained: {tag!r} of {model} is not on the hub; download {pictures['url']}."
            )
        names = [WEIGHTS] if not file else [f"{Path(file).stem}.safetensors"]
        return Source(config, pictures, hub_file(owner, names, revision))
    weights = None if pretrained == RANDOM else _weights(model, pretrained, revision, tags)
    return Source(config, _common_pictures(model, tags), weights)


def _weights(model: str, pretrained: str | None, revision: str | None, tags: list[str]) -> Path:
    if pretrained is None:
        raise InvalidInputError(
            f"pretrained: {model} needs weights: one of its tags "
            f"({', '.join(tags) or 'it has none'}), "
            "hf-hub:owner/name, or a .safetensors file."
        )
    if pretrained.startswith(HUB):
        return hub_file(pretrained.removeprefix(HUB), [WEIGHTS], revision)
    if "/" in pretrained or Path(pretrained).suffix in (".safetensors", ".bin", ".pt", ".pth"):
        return local_file(pretrained)
    raise UnknownNameError(f"pretrained tag of {model}", pretrained, tags)


def _common_pictures(model: str, tags: list[str]) -> Mapping[str, Any]:
    """What all tags of an architecture say of their pictures; a lone file does not say it
    itself."""
    tag_settings = [library.get_pretrained_cfg(model, tag) for tag in tags]
    common = [
        {key: preprocessing.get(key) for key in ("mean", "std", "interpolation", "resize_mode")}
        for preprocessing in tag_settings
    ]
    if any(preprocessing != common[0] for preprocessing in common):
        raise InvalidInputError(
            f"pretrained: weights of {model} were trained on pictures made in different ways, and "
            f"a lone file does "
            "not say which. Give model=FOLDER with open_clip_config.json, or a tag."
        )
    return common[0] if common else {}


def _build(source: Source, model: str) -> nn.Module:
    config = json.loads(json.dumps(source.config))
    # The weights come from the file; a library must not fetch some of its own.
    config["text_cfg"]["hf_model_pretrained"] = False
    config["vision_cfg"]["timm_model_pretrained"] = False
    for part in TOWERS:
        for option, allowed in LAYER_WORDS.items():
            plain_words(config[part].get(option) or {}, allowed, f"{model}: {option}")
    name = config["text_cfg"].get("hf_model_name")
    custom = config.pop("custom_text", False) or name
    kind = library.CustomTextCLIP if custom else library.CLIP
    kind = library.CoCa if "multimodal_cfg" in config else kind
    with ExitStack() as stack:
        if name:
            config["text_cfg"]["hf_model_name"] = stack.enter_context(_text_model(name, model))
        if source.weights is not None:
            stack.enter_context(NetworkBudget(check_file(source.weights).values(), source.weights))
        stack.enter_context(explain(f"{model}: open_clip's configuration"))
        stack.enter_context(cast(Any, torch.random).fork_rng(devices=[]))
        cast(Any, torch).manual_seed(0)
        return kind(**config).eval()


@contextmanager
def _text_model(name: str, model: str) -> Generator[str]:
    """A folder with the configuration of a text tower of transformers, and nothing else."""
    try:
        folder = hub_folder(name, [], None)
    except MissingBackendError as error:
        raise _not_here(model, "the text tower's configuration", name, error) from error
    with vetted_folder(folder) as vetted:
        yield str(vetted)


def _tokenizer(source: Source, model: str) -> Any:
    """The tokenizer that open_clip would choose, of files that were looked at."""
    text: dict[str, Any] = source.config["text_cfg"]
    words = plain_words(text.get("tokenizer_kwargs") or {}, TOKENIZER_WORDS, model)
    context = text.get("context_length", library.tokenizer.DEFAULT_CONTEXT_LENGTH)
    name = text.get("hf_tokenizer_name")
    if not name:
        return library.tokenizer.SimpleTokenizer(context_length=context, **words)
    options = {**words, "trust_remote_code": False, "local_files_only": True}
    with explain(f"{model}: the tokenizer"):
        try:
            folder = source.folder or hub_folder(name, [], None)
            with vetted_folder(folder) as vetted:
                return library.tokenizer.HFTokenizer(
                    str(vetted),
                    context_length=context,
                    tokenizer_mode=text.get("tokenizer_mode"),
                    **options,
                )
        except (OSError, ValueError, ImportError) as error:
            raise _not_here(model, "the tokenizer", name, error) from error


def _not_here(model: str, part: str, name: str, error: Exception) -> MissingBackendError:
    return MissingBackendError(
        f"{model}: {part} cannot be had: {first_line(error)} Where there is a network, run `hf "
        f"download {name}`, which "
        "puts it into the Hugging Face cache (HF_HOME); or give model=FOLDER with a whole download."
    )


def _load(network: nn.Module, file: Path, sha256: str | None) -> None:
    tensors = without_prefix(read_tensors(file, sha256), ("module.", "model."))
    tensors = {name: tensor for name, tensor in tensors.items() if name not in _NO_WEIGHTS}
    if "positional_embedding" in tensors and not hasattr(network, "positional_embedding"):
        tensors = library.model.convert_to_custom_text_state_dict(tensors)
    tensors = cast("dict[str, Tensor]", library.convert.convert_state_dict(network, tensors))
    own = cast("dict[str, Tensor]", network.state_dict())
    # One number, written with and without a dimension.
    for name in {"logit_scale", "logit_bias"} & tensors.keys() & own.keys():
        shape = own[name].shape
        tensors[name] = tensors[name].reshape(shape)
    fill(network, tensors, file)


def _preprocessing(network: nn.Module, pictures: Mapping[str, Any]) -> Preprocessing:
    size = cast(Any, network).visual.image_size
    height, width = (size, size) if isinstance(size, int) else size
    if height != width:
        raise InvalidInputError(
            f"model: reads pictures of {width} x {height}; only square ones are supported."
        )
    fits: dict[str, Fit] = {"shortest": "crop", "squash": "squash", "longest": "pad"}
    return Preprocessing(
        size=height,
        fit=fits[pictures.get("resize_mode") or "shortest"],
        kernel=pictures.get("interpolation") or "bicubic",
        mean=channels(pictures.get("mean") or OPENAI_MEAN),
        std=channels(pictures.get("std") or OPENAI_STD),
    )
