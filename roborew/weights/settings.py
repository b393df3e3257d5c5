"""What a file beside weights may set in the library that reads it. Only numbers and plain words reach
a loader: nothing that names code, another model, or a place on the disk."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, cast

from roborew.errors import CorruptFileError

MAX_COUNT = 2**24
"""No network has so many layers, heads or words: a damaged file must not ask for them."""
MAX_SIDE = 8192
"""Largest side of a picture that a processor may ask for [pixels]."""

CODE = frozenset({"auto_map", "custom_pipelines", "custom_generate", "code_revision"})
"""Where a repository keeps code of its own, which is never run: native classes are used."""
ORIGINS = frozenset(
    {"_name_or_path", "name_or_path", "_commit_hash", "tokenizer_file", "vocab_file", "merges_file"}
) | {"spm_file", "special_tokens_map_file", "added_tokens_file", "init_inputs", "local_files_only"}
"""Where a file was when it was written; the library finds what lies in the folder by itself."""
REACHING_OUT = frozenset(
    {
        "adapter_kwargs",
        "audio_tokenizer",
        "backbone",
        "backbone_kwargs",
        "checkpoint_path",
        "index_path",
        "kernel_config",
        "passages_path",
        "pretrained_cfg",
        "pretrained_cfg_overlay",
        "quantization_config",
        "quantizer",
        "transformers_weights",
        "trust_remote_code",
        "use_kernels",
        "use_pretrained_backbone",
        "use_timm_backbone",
    }
)
"""Settings by which a library loads other files, other models or code."""
KERNELS = frozenset({"attn_implementation", "experts_implementation"})
NATIVE_KERNELS = ("eager", "sdpa", "flash_attention_2", "flash_attention_3", "flex_attention")
"""Any other word is a repository of compiled code."""
CLASSES = re.compile(
    r"[A-Za-z0-9_]+(Processor|ProcessorFast|ProcessorPil|Extractor|Tokenizer|TokenizerFast|Backend)"
)
"""Names of classes of transformers that read pictures and text."""
TOKENIZER_WORDS = frozenset(
    {
        "add_bos_token",
        "add_eos_token",
        "add_prefix_space",
        "add_special_tokens",
        "added_tokens_decoder",
        "additional_special_tokens",
        "backend",
        "chat_template",
        "clean_up_tokenization_spaces",
        "cls_token_box",
        "do_basic_tokenize",
        "do_lower_case",
        "errors",
        "extra_ids",
        "extra_special_tokens",
        "fix_mistral_regex",
        "from_slow",
        "ignore_merges",
        "is_local",
        "keep_accents",
        "legacy",
        "legacy_behaviour",
        "lowercase_norm",
        "max_length",
        "model_input_names",
        "model_max_length",
        "model_specific_special_tokens",
        "model_type",
        "never_split",
        "only_label_first_subword",
        "pad_to_multiple_of",
        "pad_token_type_id",
        "padding_side",
        "processor_class",
        "remove_space",
        "response_schema",
        "return_token_type_ids",
        "sep_token_box",
        "sp_model_kwargs",
        "spaces_between_special_tokens",
        "split_special_tokens",
        "src_lang",
        "stride",
        "strip_accents",
        "tgt_lang",
        "tokenize_chinese_chars",
        "tokenizer_class",
        "trim_offsets",
        "truncation_side",
        "truncation_strategy",
        "unk_id",
        "use_default_system_prompt",
        "use_fast",
        "vocab_size",
        "wordpieces_prefix",
    }
)
"""Settings of tokenizers, beside their special tokens (``*_token``, ``*_token_id``)."""


def model_settings(content: Mapping[str, Any], place: str) -> dict[str, Any]:
    """Return what a model's ``config.json`` may set.

    Raises:
        CorruptFileError: it names other files, models or code, or counts that no network has.
    """
    return _copy(content, place, _check_model)


def processor_settings(content: Mapping[str, Any], place: str) -> dict[str, Any]:
    """Return what the configuration of a processor may set; errors as in `model_settings`."""
    return _copy(content, place, _check_processor)


def tokenizer_settings(content: Mapping[str, Any], place: str) -> dict[str, Any]:
    """Return what a tokenizer's configuration may set; errors as in `model_settings`, and for every
    setting that is not known here."""
    settings = _copy(content, place, _check_processor)
    for name, value in settings.items():
        if name not in TOKENIZER_WORDS and not name.endswith(("_token", "_token_id")):
            raise _refusal(place, name, value)
    return settings


def generation_settings(content: Mapping[str, Any], place: str) -> dict[str, Any]:
    """Return the numbers of a ``generation_config.json``; its words choose what is not used here."""
    numbers = _copy(content, place, _check_processor)
    return {name: value for name, value in numbers.items() if _is_numeric(value)}


def plain_words(content: Mapping[str, Any], allowed: Collection[str], place: str) -> dict[str, Any]:
    """Return settings that a library passes on as keywords, all of which must be known.

    Raises:
        CorruptFileError: another one is set, or one to a list or an object.
    """
    for name, value in content.items():
        if name not in allowed or not (value is None or isinstance(value, (bool, int, float, str))):
            raise _refusal(place, name, value)
    return dict(content)


def _copy(
    content: Mapping[str, Any], place: str, check: Callable[[str, Any, str], None]
) -> dict[str, Any]:
    """A copy without what is not used, every setting of it looked at, at any depth."""
    settings: dict[str, Any] = {}
    for name, value in content.items():
        if name in CODE or name in ORIGINS:
            continue
        _check_any(name, value, place)
        check(name, value, place)
        settings[name] = _copy_value(value, f"{place}: {name}", check)
    return settings


def _copy_value(value: Any, place: str, check: Callable[[str, Any, str], None]) -> Any:
    if isinstance(value, dict):
        return _copy(cast("dict[str, Any]", value), place, check)
    if isinstance(value, list):
        entries = cast("list[Any]", value)
        return [_copy_value(entry, place, check) for entry in entries]
    return value


def _check_any(name: str, value: Any, place: str) -> None:
    if name in REACHING_OUT and value:
        raise _refusal(place, name, value)
    if name.strip("_").removesuffix("_internal") in KERNELS:
        is_by_part = isinstance(value, dict)
        words = [*cast("dict[str, Any]", value).values()] if is_by_part else [value]
        if not all(word is None or word in NATIVE_KERNELS for word in words):
            raise _refusal(place, name, value)
    if name.endswith("_token_id") and not _is_token(value):
        raise _refusal(place, name, value)
    is_class = name.endswith(
        ("processor_class", "processor_type", "extractor_type", "tokenizer_class")
    )
    if is_class and value is not None and not CLASSES.fullmatch(str(value)):
        raise _refusal(place, name, value)


def _check_model(name: str, value: Any, place: str) -> None:
    is_count = type(value) is int and "theta" not in name
    if is_count and abs(value) > MAX_COUNT:
        raise _refusal(place, name, value)
    # timm's own names: with a colon or a slash they would be folders and repositories.
    is_timm = name in ("architecture", "timm_model_name")
    if is_timm and not re.fullmatch(r"[\w.]+", str(value)):
        raise _refusal(place, name, value)
    if name == "model_args" and not _is_numeric(value):
        raise _refusal(place, name, value)


def _check_processor(name: str, value: Any, place: str) -> None:
    is_number = type(value) in (int, float)
    is_side = is_number and name in ("height", "width", "size", "crop_size")
    if is_side and not 0 < value <= MAX_SIDE:
        raise _refusal(place, name, value)
    is_area = is_number and name in ("shortest_edge", "min_pixels")
    if is_area and not 0 < value <= MAX_COUNT:
        raise _refusal(place, name, value)


def _is_token(value: Any) -> bool:
    """Whether a value is the number of a token, several, or none."""
    tokens: list[Any] = cast("list[Any]", value) if isinstance(value, list) else [value]
    return all(token is None or type(token) is int for token in tokens)


def _is_numeric(value: Any) -> bool:
    """Whether there is no text in a value, at any depth."""
    if isinstance(value, dict):
        return all(_is_numeric(entry) for entry in cast("dict[str, Any]", value).values())
    if isinstance(value, list):
        return all(_is_numeric(entry) for entry in cast("list[Any]", value))
    return not isinstance(value, str)


def _refusal(place: str, name: str, value: Any) -> CorruptFileError:
    return CorruptFileError(
        f"{place} sets {name} to {value!r:.80}, which a file from elsewhere may not: it could load "
        "other files or code, or take all memory. If the model does not need it, take it out."
    )
