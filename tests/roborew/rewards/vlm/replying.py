"""A Qwen3-VL in the layout of a released judge that gives one reply to every question: no picture and no
word moves it, so that what is read of it is known."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import torch
from transformers import Qwen3VLForConditionalGeneration

from tests.tiny_models import tiny_processor, tiny_vlm_config

TURN_END = "Ċ"
"""The line break after a turn's header, with which every prompt ends."""


def replying_vlm(folder: Path, tokens: Sequence[str], added: Sequence[str] = ()) -> Path:
    """Write the model.

    Args:
        folder: to write into.
        tokens: of its reply, no two of them the same, as its vocabulary spells them.
        added: those of them that its vocabulary does not have yet.
    """
    processor = tiny_processor()
    tokenizer = processor.tokenizer
    tokenizer.add_tokens(list(added))
    processor.save_pretrained(folder)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = Qwen3VLForConditionalGeneration(tiny_vlm_config(tokenizer))
    chain = tokenizer.convert_tokens_to_ids([TURN_END, *tokens, "<|im_end|>"])
    assert None not in chain and len(set(chain)) == len(chain), chain
    with torch.no_grad():
        for layer in model.model.language_model.layers:
            # What is left of a token is its embedding, and each token decides the next.
            layer.self_attn.o_proj.weight.zero_()
            layer.mlp.down_proj.weight.zero_()
        words = model.model.language_model.embed_tokens.weight
        words /= words.norm(dim=1, keepdim=True)
        model.lm_head.weight.zero_()
        for current, following in pairwise(chain):
            model.lm_head.weight[following] = words[current]
    model.save_pretrained(folder)
    return folder
