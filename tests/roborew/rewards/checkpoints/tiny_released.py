"""Released reward models with random weights and few numbers, in the files and under the names that
their authors write: no test needs a download, and no name comes from our own networks."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers import BertConfig, BertModel, Qwen3VLForConditionalGeneration

from tests.roborew.encoders.tiny_towers import numbered, random_numbers, tiny_dinov2, tiny_joint
from tests.tiny_models import tiny_processor, tiny_tokenizer, tiny_vlm_config

Shapes = Mapping[str, Sequence[int]]


def random_tensors(shapes: Shapes, seed: int = 0) -> dict[str, Tensor]:
    """Numbers that depend on the seed and the names alone."""
    return {name: random_numbers(name, torch.zeros(*size), seed) for name, size in shapes.items()}


def write(folder: Path, config: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Path:
    """A folder of ``config.json`` and ``model.safetensors``."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    save_file(dict(tensors), folder / "model.safetensors")
    return folder


def linear(name: str, inputs: int, outputs: int) -> dict[str, Sequence[int]]:
    return {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}


def norm(name: str, width: int) -> dict[str, Sequence[int]]:
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


RESNET_WIDTHS = (4, 4, 8, 12, 16)
CAMERAS = ("observation.images.front", "observation.images.wrist")
POOLING, LATENT, HIDDEN = 2, 6, 5


def resnet10_shapes(prefix: str) -> dict[str, Sequence[int]]:
    """Of helper2424/resnet10: after the first convolution, four blocks; a short cut where the width
    changes."""
    first = RESNET_WIDTHS[0]
    shapes: dict[str, Sequence[int]] = {f"{prefix}embedder.0.weight": (first, 3, 7, 7)}
    shapes |= norm(f"{prefix}embedder.1.group_norm", first)
    for number, (inputs, outputs) in enumerate(pairwise(RESNET_WIDTHS)):
        stage = f"{prefix}encoder.stages.{number}."
        shapes[f"{stage}conv1.conv.weight"] = (outputs, inputs, 3, 3)
        shapes |= norm(f"{stage}norm1.group_norm", outputs)
        shapes[f"{stage}conv2.conv.weight"] = (outputs, outputs, 3, 3)
        shapes |= norm(f"{stage}norm2.group_norm", outputs)
        if inputs != outputs:
            shapes[f"{stage}shortcut.0.conv.weight"] = (outputs, inputs, 1, 1)
            shapes |= norm(f"{stage}shortcut.1.group_norm", outputs)
    return shapes


def classifier_config(cameras: Sequence[str] = CAMERAS, **settings: Any) -> dict[str, Any]:
    """LeRobot's ``config.json`` of a reward classifier."""
    return {
        "type": "reward_classifier",
        "name": "reward_classifier",
        "num_classes": 2,
        "hidden_dim": HIDDEN,
        "latent_dim": LATENT,
        "image_embedding_pooling_dim": POOLING,
        "dropout_rate": 0.1,
        "model_name": "lerobot/resnet10",
        "model_type": "cnn",
        "num_cameras": len(cameras),
        "device": "cpu",
        "learning_rate": 1e-4,
        "input_features": {key: {"type": "VISUAL", "shape": [3, 128, 128]} for key in cameras},
        "output_features": {},
        "normalization_mapping": {"VISUAL": "MEAN_STD"},
        **settings,
    }


def classifier_tensors(cameras: Sequence[str] = CAMERAS, seed: int = 0) -> dict[str, Tensor]:
    """Weights of a reward classifier on ResNet-10."""
    shapes = resnet10_shapes("encoder.")
    width = RESNET_WIDTHS[-1]
    for key in cameras:
        camera = f"encoders.{key.replace('.', '_')}."
        shapes[f"{camera}1.kernel"] = (width, 4, 4, POOLING)
        shapes |= linear(f"{camera}3", width * POOLING, LATENT) | norm(f"{camera}4", LATENT)
    shapes |= linear("classifier_head.0", LATENT * len(cameras), HIDDEN)
    shapes |= norm("classifier_head.2", HIDDEN) | linear("classifier_head.4", HIDDEN, 1)
    return random_tensors(shapes, seed)


def write_statistics(folder: Path, statistics: Mapping[str, Tensor]) -> None:
    """As LeRobot's preprocessor keeps them."""
    name = "classifier_preprocessor_step_0_normalizer_processor.safetensors"
    save_file(dict(statistics), folder / name)


def tiny_classifier(folder: Path, cameras: Sequence[str] = CAMERAS[:1]) -> Path:
    """A reward classifier of LeRobot."""
    statistics: dict[str, Tensor] = {}
    for place, key in enumerate(cameras):
        statistics[f"{key}.mean"] = torch.full((3, 1, 1), 0.4 + 0.1 * place)
        statistics[f"{key}.std"] = torch.tensor([0.2, 0.3, 0.4]).reshape(3, 1, 1)
    write(folder, classifier_config(cameras), classifier_tensors(cameras))
    write_statistics(folder, statistics)
    return folder


TOKENS = (
    "<|split_token|>",
    "<|reward_token|>",
    "<|pref_token|>",
    "<|sim_token|>",
    "<|prog_token|>",
)
BINS = 10
ATTENTION = 30.0
NUMBERED_PICTURES = """
{%- set pictures = namespace(count=0) -%}
{%- for message in messages -%}
<|im_start|>{{ message.role }}
{% for part in message.content -%}
{%- if part.type == 'image' -%}
{%- set pictures.count = pictures.count + 1 -%}
{%- if add_vision_id -%}Picture {{ pictures.count }}: {% endif -%}
<|vision_start|><|image_pad|><|vision_end|>
{%- else -%}{{ part.text }}{%- endif -%}
{%- endfor -%}<|im_end|>
{% endfor -%}
"""
"""As Qwen3-VL's own template numbers them."""


def tiny_qwen(seed: int = 0) -> Qwen3VLForConditionalGeneration:
    """A Qwen3-VL with rows for Robometer's tokens."""
    tokenizer = tiny_processor().tokenizer
    tokenizer.add_special_tokens({"additional_special_tokens": list(TOKENS)})
    config = tiny_vlm_config(tokenizer)
    config.tie_word_embeddings = config.text_config.tie_word_embeddings = True
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = Qwen3VLForConditionalGeneration(config).eval()
    with torch.no_grad():
        for layer in network.model.language_model.layers:
            # Otherwise a token hardly looks at the pictures before it.
            layer.self_attn.o_proj.weight *= ATTENTION
    return network


def head_tensors(bins: int = BINS) -> dict[str, Tensor]:
    """Of Robometer's heads."""
    shapes: dict[str, Sequence[int]] = {"frame_pool_attn.weight": (1, 32)}
    for name, outputs in (("progress", bins), ("success", 1), ("preference", 1)):
        head = f"{name}_head."
        shapes |= linear(f"{head}0", 32, 16) | norm(f"{head}1", 16)
        shapes |= linear(f"{head}4", 16, outputs)
    # Wide, so that scores differ with the picture.
    return {name: 3 * tensor for name, tensor in random_tensors(shapes).items()}


def tiny_robometer(folder: Path) -> Path:
    """Robometer in its authors' layout: the Qwen3-VL without its last layer, its processor beside."""
    network = tiny_qwen()
    weights = {f"model.{name}": t.clone() for name, t in network.model.state_dict().items()}
    write(folder, network.config.to_dict(), weights | head_tensors())
    tiny_processor(NUMBERED_PICTURES).save_pretrained(folder)
    return folder


def robometer_config(**settings: Any) -> dict[str, Any]:
    """LeRobot's ``config.json`` of a Robometer."""
    return {
        "type": "robometer",
        "image_key": "observation.images.top",
        "max_frames": 8,
        "reward_output": "progress",
        "base_model_id": "Qwen/Qwen3-VL-4B-Instruct",
        "torch_dtype": "bfloat16",
        "use_multi_image": True,
        "use_per_frame_progress_token": True,
        "frame_pooling": "mean",
        "progress_loss_type": "discrete",
        "progress_discrete_bins": BINS,
        "vlm_config": tiny_qwen().config.to_dict(),
        **settings,
    }


def tiny_lerobot_robometer(folder: Path, keep: str = "model.lm_head.weight") -> Path:
    """Robometer in LeRobot's layout, which has one of the two names of the words' weights."""
    words = {"model.lm_head.weight", "model.model.language_model.embed_tokens.weight"}
    state = tiny_qwen().state_dict()
    weights = {f"model.{name}": tensor.clone() for name, tensor in state.items()}
    for name in words - {keep}:
        del weights[name]
    return write(folder, robometer_config(), weights | head_tensors())


def tiny_base(folder: Path) -> Path:
    """Tokenizer and processor of a Qwen3-VL, without Robometer's tokens."""
    tiny_processor(NUMBERED_PICTURES).save_pretrained(folder)
    return folder


WIDTH, EMBEDDING, STATE, STEPS, GAP, CONTEXT = 8, 16, 4, 4, 2, 48


def sarm_config(**settings: Any) -> dict[str, Any]:
    """LeRobot's ``config.json`` of a SARM with two schemes."""
    return {
        "type": "sarm",
        "annotation_mode": "dual",
        "n_obs_steps": STEPS,
        "frame_gap": GAP,
        "max_rewind_steps": 2,
        "image_dim": EMBEDDING,
        "text_dim": EMBEDDING,
        "hidden_dim": WIDTH,
        "num_heads": 2,
        "num_layers": 2,
        "max_state_dim": STATE,
        "dropout": 0.1,
        "num_sparse_stages": 2,
        "sparse_subtask_names": ["reach", "pull"],
        "sparse_temporal_proportions": [0.25, 0.75],
        "num_dense_stages": 3,
        "dense_subtask_names": ["a", "b", "c"],
        "dense_temporal_proportions": [1.0, 2.0, 1.0],
        "image_key": "observation.images.top",
        "state_key": "observation.state",
        "normalization_mapping": {"VISUAL": "IDENTITY", "STATE": "MEAN_STD"},
        **settings,
    }


def sarm_tensors(seed: int = 0) -> dict[str, Tensor]:
    """Weights of both networks."""
    shapes: dict[str, Sequence[int]] = {}
    for network, streams, outputs in (("stage_model", 3, (2, 3)), ("subtask_model", 4, (1, 1))):
        name = f"{network}."
        shapes |= linear(f"{name}lang_proj", EMBEDDING, WIDTH)
        shapes |= linear(f"{name}visual_proj", EMBEDDING, WIDTH)
        shapes |= linear(f"{name}state_proj", STATE, WIDTH)
        shapes[f"{name}first_pos"] = (1, WIDTH)
        for number in range(2):
            layer = f"{name}transformer.layers.{number}."
            shapes[f"{layer}self_attn.in_proj_weight"] = (3 * WIDTH, WIDTH)
            shapes[f"{layer}self_attn.in_proj_bias"] = (3 * WIDTH,)
            shapes |= linear(f"{layer}self_attn.out_proj", WIDTH, WIDTH)
            shapes |= linear(f"{layer}linear1", WIDTH, 4 * WIDTH)
            shapes |= linear(f"{layer}linear2", 4 * WIDTH, WIDTH)
            shapes |= norm(f"{layer}norm1", WIDTH) | norm(f"{layer}norm2", WIDTH)
        fused = streams * WIDTH
        shapes |= norm(f"{name}fusion_backbone.0", fused)
        shapes |= linear(f"{name}fusion_backbone.1", fused, WIDTH)
        for scheme, count in zip(("sparse", "dense"), outputs, strict=True):
            shapes |= linear(f"{name}heads.{scheme}", WIDTH, count)
    return random_tensors(shapes, seed)


def tiny_sarm(folder: Path) -> Path:
    """A SARM of LeRobot, and in it the CLIP that it reads."""
    write(folder, sarm_config(), sarm_tensors())
    mean, std = torch.tensor([0.1, 0.2, 0.3]), torch.tensor([1.0, 2.0, 0.5])
    write_statistics(folder, {"observation.state.mean": mean, "observation.state.std": std})
    (folder / "clip").mkdir()
    tiny_joint(folder / "clip", "clip", CONTEXT)
    return folder


REWIND_WIDTH, REWIND_LENGTH, VISION, LANGUAGE = 16, 4, 32, 12


def rewind_tensors(seed: int = 0) -> dict[str, Tensor]:
    """``model_state_dict`` of ReWiND's authors."""
    width = REWIND_WIDTH
    shapes = linear("video_proj", VISION, width) | linear("text_proj", LANGUAGE, width)
    shapes |= {"first_pos_embed": (1, width), "class_token": (1, 1, width)}
    for number in range(2):
        layer = f"transformer.layers.{number}."
        shapes[f"{layer}self_attn.in_proj_weight"] = (3 * width, width)
        shapes[f"{layer}self_attn.in_proj_bias"] = (3 * width,)
        shapes |= linear(f"{layer}self_attn.out_proj", width, width)
        shapes |= linear(f"{layer}linear1", width, 4 * width)
        shapes |= linear(f"{layer}linear2", 4 * width, width)
        shapes |= norm(f"{layer}norm1", width) | norm(f"{layer}norm2", width)
    shapes |= linear("progress_head.0", width, width // 2) | norm("progress_head.1", width // 2)
    return random_tensors(shapes | linear("progress_head.4", width // 2, 1), seed)


def tiny_bert(folder: Path) -> Path:
    """A BERT, as MiniLM is one."""
    tokenizer = tiny_tokenizer()
    sizes = {"hidden_size": LANGUAGE, "num_hidden_layers": 1, "num_attention_heads": 2}
    limits = {"vocab_size": len(tokenizer), "max_position_embeddings": 48}
    network = BertModel(BertConfig(**sizes, **limits, intermediate_size=8))
    numbered(network, 0).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def tiny_rewind(folder: Path) -> Path:
    """A converted ReWiND, and in it the models that it reads."""
    write(folder, {"kind": "rewind", "max_length": REWIND_LENGTH}, rewind_tensors())
    (folder / "vision").mkdir()
    tiny_dinov2(folder / "vision")
    tiny_bert(folder / "language")
    return folder
