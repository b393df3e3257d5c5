"""Robometer's network: a Qwen3-VL and three heads, in the layout of its authors (robometer/robometer)
and in LeRobot's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoProcessor, Qwen3VLModel

from roborew.errors import CorruptFileError, InvalidInputError
from roborew.judges.pretrained import tokenizer_round_trips
from roborew.rewards.checkpoints.files import (
    CONFIG,
    base_model,
    check_choice,
    find_base,
    find_folder,
    read_config,
    read_fields,
    read_weights,
)
from roborew.weights.budget import NetworkBudget
from roborew.weights.files import check_finite, check_names, fill
from roborew.weights.folder import explain, vetted_folder
from roborew.weights.settings import model_settings

BASE = "Qwen/Qwen3-VL-4B-Instruct"
BASE_TYPE = "qwen3_vl"
PROGRESS, PREFERENCE = "<|prog_token|>", "<|pref_token|>"
SPECIAL_TOKENS = ("<|split_token|>", "<|reward_token|>", PREFERENCE, "<|sim_token|>", PROGRESS)
"""Added to the tokenizer in this order: a token's row of the weights follows from it."""
HEADS = ("progress_head", "success_head", "preference_head")
UNREAD = ("frame_pool_attn.", "similarity_head.")
"""Weights of forms of the model that were not released."""
MAX_FRAMES = 8
EMBEDDING = "language_model.embed_tokens.weight"
OUTPUT = "lm_head.weight"


@dataclass(frozen=True, slots=True)
class RobometerConfig:
    """What LeRobot's ``config.json`` says; the defaults are the released form."""

    vlm_config: Mapping[str, Any]
    base_model_id: str = BASE
    max_frames: int | None = MAX_FRAMES
    use_multi_image: bool = True
    use_per_frame_progress_token: bool = True
    progress_loss_type: str = "discrete"
    progress_discrete_bins: int = 10

    @property
    def num_bins(self) -> int:
        """Outputs of the progress head."""
        return self.progress_discrete_bins if self.progress_loss_type == "discrete" else 1


class PredictionHead(nn.Sequential):
    """Vectors (..., width) to ``outputs`` numbers.

    Args:
        width: of the network's last layer.
        outputs: of the head.
    """

    def __init__(self, width: int, outputs: int) -> None:
        # An identity where the authors have a dropout: the layers' numbers are names of weights.
        last = nn.Linear(width // 2, outputs)
        layers = (nn.LayerNorm(width // 2), nn.GELU(), nn.Identity(), last)
        super().__init__(nn.Linear(width, width // 2), *layers)


class RobometerNetwork(nn.Module):
    """A Qwen3-VL without its words, and heads on its last layer.

    Attributes:
        backbone: the Qwen3-VL.
        heads: by name, `HEADS`.
        token_ids: number of each of `SPECIAL_TOKENS`.
        processor: of its texts and pictures.
        max_frames: that it was made for.
    """

    def __init__(self, backbone: Any, bins: int, processor: Any, max_frames: int) -> None:
        super().__init__()
        width = int(backbone.config.text_config.hidden_size)
        outputs = {name: bins if name == "progress_head" else 1 for name in HEADS}
        self.backbone = backbone
        self.heads = nn.ModuleDict({n: PredictionHead(width, outputs[n]) for n in HEADS})
        tokenizer = processor.tokenizer
        self.token_ids = {t: tokenizer.convert_tokens_to_ids(t) for t in SPECIAL_TOKENS}
        self.processor = processor
        self.max_frames = max_frames

    def read(self, inputs: Mapping[str, Tensor], token: str) -> list[Tensor]:
        """Return the vectors (number of such tokens, width) of each text at a special token."""
        last: Tensor = self.backbone(**inputs).last_hidden_state
        places = inputs["input_ids"] == self.token_ids[token]
        return [states[row] for states, row in zip(last, places, strict=True)]

    def progress(self, vectors: Tensor) -> Tensor:
        """Progress (N,) in [0, 1]: the mean over bins whose centers are spread evenly over it."""
        logits = self.heads["progress_head"](vectors).float()
        if logits.shape[1] == 1:
            return logits.sigmoid().squeeze(1)
        centers = torch.linspace(0.0, 1.0, logits.shape[1], device=logits.device)
        return (logits.softmax(1) * centers).sum(1).clamp(0.0, 1.0)

    def probability(self, head: str, vectors: Tensor) -> Tensor:
        """What a head of one logit says, (N,)."""
        return self.heads[head](vectors).float().sigmoid().squeeze(1)


def load_robometer(
    weights: str, revision: str | None, processor: str | None, dtype: torch.dtype
) -> RobometerNetwork:
    """Load a checkpoint in one of the two layouts, whole or not at all.

    Args:
        weights: folder or hub id.
        revision: commit of a hub id.
        processor: folder or hub id of the tokenizer and processor, where the checkpoint has none.
        dtype: number format of the network.

    Raises:
        RoborewError: the files are not here, not whole, or of another model.
    """
    folder = find_folder(weights, revision)
    content = read_config(folder)
    is_lerobot = "type" in content
    config = _lerobot_config(content, folder) if is_lerobot else RobometerConfig(content)
    tensors = read_weights(folder)
    heads, backbone = _split(tensors, "model.model." if is_lerobot else "model.")
    bins = _num_bins(heads, folder)
    if is_lerobot and bins != config.num_bins:
        raise CorruptFileError(
            f"{folder / CONFIG}: {config.num_bins} bins of progress; the head has {bins}."
        )
    with NetworkBudget((tensor.numel() for tensor in tensors.values()), folder), explain(folder):
        base = _backbone(config.vlm_config, backbone, folder, dtype)
        own_processor = _processor(folder, processor, config)
        network = RobometerNetwork(base, bins, own_processor, config.max_frames or MAX_FRAMES)
    _check_vocabulary(network, folder)
    fill(network.heads, heads, folder)
    network.heads.to(dtype)
    return network


def _lerobot_config(content: Mapping[str, Any], folder: Path) -> RobometerConfig:
    place = folder / CONFIG
    check_choice(place, "type", content["type"], "robometer")
    config = read_fields(RobometerConfig, content, place)
    check_choice(place, "use_multi_image", config.use_multi_image, True)
    per_frame = config.use_per_frame_progress_token
    check_choice(place, "use_per_frame_progress_token", per_frame, True)
    if config.max_frames is not None and not 2 <= config.max_frames <= 1024:
        raise InvalidInputError(f"{place}: max_frames of {config.max_frames} is not supported.")
    return config


def _split(
    tensors: Mapping[str, Tensor], prefix: str
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Weights of the heads, and of the backbone by its own names."""
    heads: dict[str, Tensor] = {}
    backbone: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if name.startswith(HEADS):
            heads[name] = tensor
        elif not name.startswith(UNREAD):
            backbone[name.removeprefix(prefix)] = tensor
    # Two names of one tensor: a file keeps either. Words are not written here.
    output = backbone.pop(f"model.{OUTPUT}", backbone.pop(OUTPUT, None))
    if output is not None:
        backbone.setdefault(EMBEDDING, output)
    return heads, backbone


def _num_bins(heads: Mapping[str, Tensor], folder: Path) -> int:
    """Outputs of the progress head, whose last layer is the fifth."""
    last = heads.get("progress_head.4.weight")
    if last is None or last.ndim != 2:
        raise CorruptFileError(
            f"{folder} holds no progress head of Robometer (progress_head.4.weight). A plain "
            "vision-language model is asked as a judge: --judge.model."
        )
    return len(last)


def _backbone(
    content: Mapping[str, Any], tensors: dict[str, Tensor], folder: Path, dtype: torch.dtype
) -> Any:
    """The Qwen3-VL with its weights.

    Raises:
        CorruptFileError: it is another model, or the weights are not exactly its own.
    """
    settings = model_settings(content, str(folder / CONFIG))
    kind = settings.pop("model_type", None)
    check_choice(folder / CONFIG, "model_type", kind, BASE_TYPE)
    config = cast(Any, AutoConfig).for_model(kind, **settings)
    if EMBEDDING in tensors:
        # It was enlarged for the special tokens; not every layout says so.
        config.text_config.vocab_size = len(tensors[EMBEDDING])
    network, report = cast(Any, Qwen3VLModel).from_pretrained(
        None,
        config=config,
        state_dict=tensors,
        dtype=dtype,
        output_loading_info=True,
        ignore_mismatched_sizes=True,  # reported, and refused below
    )
    # transformers would only warn, and go on with random numbers or without what is left over.
    changed = [str(name) for name, *_ in report["mismatched_keys"]]
    check_names(folder, report["missing_keys"], report["unexpected_keys"], changed)
    check_finite(folder, network.state_dict())
    return network


def _processor(folder: Path, choice: str | None, config: RobometerConfig) -> Any:
    """The processor beside the weights, or that of the model on which they are built."""
    has_own = (folder / "tokenizer_config.json").is_file() and choice is None
    place = folder
    if not has_own:
        flag = "--reward.processor"
        place = find_base(base_model(choice, config.base_model_id, flag, folder / CONFIG), flag)
    with vetted_folder(place) as vetted, explain(f"{place}: the processor of a Qwen3-VL"):
        processor = cast(Any, AutoProcessor).from_pretrained(
            vetted, trust_remote_code=False, local_files_only=True
        )
    # transformers makes an empty tokenizer where tokenizer.json is missing.
    if not tokenizer_round_trips(processor.tokenizer):
        raise CorruptFileError(f"{place}: the tokenizer's files are not all there.")
    vocabulary = processor.tokenizer.get_vocab()
    for token in SPECIAL_TOKENS:
        if token not in vocabulary:
            processor.tokenizer.add_special_tokens({"additional_special_tokens": [token]})
    return processor


def _check_vocabulary(network: RobometerNetwork, folder: Path) -> None:
    words = len(network.processor.tokenizer)
    rows = int(network.backbone.config.text_config.vocab_size)
    if words != rows:
        raise CorruptFileError(
            f"{folder}: the tokenizer has {words:,} tokens, {len(SPECIAL_TOKENS)} of Robometer "
            f"among them, and the weights {rows:,}: it is another model's. Give the one that "
            "belongs to them with --reward.processor."
        )
