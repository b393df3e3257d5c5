"""Tiny models with random weights, made on the spot in the layout of real ones: no test needs a
download."""

from __future__ import annotations

from pathlib import Path

import torch
from tokenizers import pre_tokenizers
from transformers import (
    Qwen2Tokenizer,
    Qwen2VLImageProcessor,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
    Qwen3VLProcessor,
    Qwen3VLVideoProcessor,
)

WORDS = ("True", "False", "Yes", "No", "yes", "no", "score", "ANSWER", "the", "robot")
"""Single tokens, each also with a blank before it; every other text is read byte by byte."""
SPECIAL = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
CHAT_TEMPLATE = """
{%- for message in messages -%}
<|im_start|>{{ message.role }}
{% for part in message.content -%}
{%- if part.type == 'image' -%}<|vision_start|><|image_pad|><|vision_end|>
{%- elif part.type == 'video' -%}<|vision_start|><|video_pad|><|vision_end|>
{%- else -%}{{ part.text }}{%- endif -%}
{%- endfor -%}<|im_end|>
{% endfor -%}
{%- if add_generation_prompt -%}<|im_start|>assistant
{% endif -%}
"""


def tiny_vlm(folder: Path, seed: int = 0) -> Path:
    """Write a Qwen3-VL of two layers with random weights into ``folder`` and return it; about half
    a megabyte."""
    processor = tiny_processor()
    processor.save_pretrained(folder)
    config = tiny_vlm_config(processor.tokenizer)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        Qwen3VLForConditionalGeneration(config).save_pretrained(folder)
    return folder


def tiny_processor(chat_template: str = CHAT_TEMPLATE) -> Qwen3VLProcessor:
    """Of a Qwen3-VL, for pictures of a few tokens."""
    pixels = {"shortest_edge": 32 * 32, "longest_edge": 64 * 64}
    return Qwen3VLProcessor(
        image_processor=Qwen2VLImageProcessor(patch_size=16, size=pixels),
        tokenizer=tiny_tokenizer(),
        video_processor=Qwen3VLVideoProcessor(
            size={"shortest_edge": 2 * 32 * 32, "longest_edge": 64 * 64 * 64},
            cap_pixels_per_frame=False,
        ),
        chat_template=chat_template,
    )


def tiny_tokenizer() -> Qwen2Tokenizer:
    """A byte-level tokenizer in which only `WORDS` are longer than a byte."""
    vocabulary = {
        letter: place for place, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))
    }
    merges: dict[tuple[str, str], None] = {}
    for word in WORDS:
        for end in range(2, len(word) + 1):
            merges[word[: end - 1], word[end - 1]] = None
        merges["Ġ", word] = None
    for left, right in merges:
        vocabulary.setdefault(left + right, len(vocabulary))
    tokenizer = Qwen2Tokenizer(vocab=vocabulary, merges=list(merges))
    tokenizer.add_special_tokens(
        {"eos_token": "<|im_end|>", "additional_special_tokens": list(SPECIAL)}
    )
    return tokenizer


def tiny_vlm_config(tokenizer: Qwen2Tokenizer) -> Qwen3VLConfig:
    """Of a Qwen3-VL of two layers that knows the tokens of a tokenizer."""
    tokens = {token: tokenizer.convert_tokens_to_ids(token) for token in SPECIAL}
    return Qwen3VLConfig(
        text_config={
            "vocab_size": len(tokenizer),
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "num_key_value_heads": 1,
            "head_dim": 16,
            "initializer_range": 0.3,  # wide, so that answers differ with the picture
            "max_position_embeddings": 4096,
            "eos_token_id": tokens["<|im_end|>"],
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 10000.0,
                "mrope_section": [4, 2, 2],
            },
        },
        vision_config={
            "depth": 2,
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_heads": 2,
            "out_hidden_size": 32,
            "patch_size": 16,
            "num_position_embeddings": 16,
            "deepstack_visual_indexes": [0],
            "initializer_range": 0.3,
        },
        image_token_id=tokens["<|image_pad|>"],
        video_token_id=tokens["<|video_pad|>"],
        vision_start_token_id=tokens["<|vision_start|>"],
        vision_end_token_id=tokens["<|vision_end|>"],
    )
