"""The files of a released reward model: a folder or a repository of the hub, its configuration, and
its weights in one file or in several."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, TypeVar, cast, get_type_hints

from safetensors import SafetensorError, safe_open

from roborew.config.json_form import read_value
from roborew.errors import (
    CorruptFileError,
    InvalidInputError,
    MissingBackendError,
    first_line,
)
from roborew.storage.json_files import check_plain_file, read_json_object
from roborew.weights.folder import INDEX, weight_index
from roborew.weights.hub import hub_folder

CONFIG = "config.json"
WEIGHTS = "model*.safetensors"
STATISTICS = "*normalizer_processor.safetensors"
"""Where LeRobot keeps the statistics of a data set by which a model's inputs are normalized."""
KNOWN_BASES = (
    "Qwen/Qwen3-VL-4B-Instruct",
    "Qwen/Qwen3-VL-8B-Instruct",
    "facebook/dinov2-base",
    "microsoft/resnet-18",
    "microsoft/resnet-50",
    "openai/clip-vit-base-patch32",
    "sentence-transformers/all-MiniLM-L12-v2",
)
"""Models on which released ones are built, which a file may name by itself."""
T = TypeVar("T")


def find_folder(weights: str, revision: str | None) -> Path:
    """Return the folder of a released model, downloaded if it is not yet here.

    Args:
        weights: a folder, or ``owner/name`` on the hub.
        revision: commit of a repository on the hub.

    Raises:
        MissingBackendError: neither can be had.
    """
    folder = Path(weights).expanduser()
    return folder if folder.is_dir() else hub_folder(weights, [WEIGHTS, STATISTICS], revision)


def read_config(folder: Path) -> dict[str, Any]:
    """Return the object in ``config.json``.

    Raises:
        InvalidInputError: there is none.
        CorruptFileError: it is no JSON object.
    """
    return read_json_object(folder / CONFIG)


def weight_files(folder: Path) -> list[Path]:
    """Return the files of the weights, all of them.

    Raises:
        MissingBackendError: there are none.
        CorruptFileError: the index names one that is not there.
    """
    if (folder / INDEX).exists():
        index = weight_index(read_json_object(folder / INDEX), str(folder / INDEX))
        names = sorted(set(cast("dict[str, str]", index["weight_map"]).values()))
        absent = [name for name in names if not (folder / name).is_file()]
        if absent:
            raise CorruptFileError(
                f"{folder} is only half downloaded: {INDEX} names {', '.join(absent)}, which "
                f"{'is' if len(absent) == 1 else 'are'} not there. Download it anew."
            )
        files = [folder / name for name in names]
    else:
        files = sorted(folder.glob(WEIGHTS))
    if not files:
        raise MissingBackendError(
            f"{folder} holds {CONFIG} and no {WEIGHTS}: the weights are not there. Download the "
            "whole repository; pickled weights are not read."
        )
    for file in files:
        check_plain_file(file)
    return files


def tensor_names(folder: Path) -> set[str]:
    """Return the names of all weights; none is read.

    Raises:
        RoborewError: as of `weight_files`, or a file is damaged.
    """
    names = set[str]()
    for file in weight_files(folder):
        try:
            with cast(Any, safe_open)(file, "np") as content:
                names |= set(content.keys())
        except (SafetensorError, OSError) as error:
            raise CorruptFileError(
                f"{file} is damaged or only half downloaded ({error}). Download it anew."
            ) from error
    return names


def read_fields(kind: type[T], content: Mapping[str, Any], place: object) -> T:
    """Return those settings of a file that a dataclass has fields for; others were of the training.

    Raises:
        CorruptFileError: a setting has another type, or one that is needed is absent.
    """
    hints = get_type_hints(kind)
    values: dict[str, Any] = {}
    for field in fields(cast(Any, kind)):
        if field.name in content:
            try:
                values[field.name] = read_value(
                    hints[field.name], content[field.name], f"{place}: {field.name}"
                )
            except InvalidInputError as error:
                raise CorruptFileError(str(error)) from error
        elif field.default is MISSING and field.default_factory is MISSING:
            raise CorruptFileError(f"{place}: {field.name} is absent.")
    return kind(**values)


def check_choice(place: object, name: str, value: object, expected: object) -> None:
    """Refuse a model of another form than the one that is supported.

    Raises:
        InvalidInputError: with what it says and what is supported.
    """
    if value != expected:
        raise InvalidInputError(
            f"{place}: {name} is {value!r}; only {expected!r} is supported, as it was released."
        )


def base_model(choice: str | None, name: str, flag: str, place: object) -> str:
    """Return the model on which another one is built, for its configuration and tokenizer.

    Args:
        choice: of the user, None where nothing is.
        name: that a file says; it may say those of `KNOWN_BASES` alone.
        flag: of the user's setting, for the message.
        place: the file.

    Raises:
        InvalidInputError: the user has to say it.
    """
    if choice is not None:
        return choice
    if name in KNOWN_BASES:
        return name
    raise InvalidInputError(
        f"{place} is built on {name!r}, which is not fetched because a file says so. If you trust "
        f"it, say {flag} {name} (or a folder of it)."
    )


def find_base(model: str, flag: str) -> Path:
    """Return a folder with the settings and the tokenizer of a model on which another is built.

    Args:
        model: folder or hub id.
        flag: of the user's setting, for the message.

    Raises:
        MissingBackendError: it cannot be had; the message says how it can.
    """
    folder = Path(model).expanduser()
    if folder.is_dir():
        return folder
    try:
        return hub_folder(model, [], None)
    except MissingBackendError as error:
        raise MissingBackendError(
            f"{model}, whose settings and tokenizer are needed, cannot be had: "
            f"{first_line(error.__cause__ or error)} Where there is a network, run `hf download "
            f'{model} --include "*.json" "*.txt" "*.jinja" --local-dir FOLDER` and say {flag} FOLDER.'
        ) from error


def read_weights(folder: Path) -> dict[str, Any]:
    """Return all weights of a folder, on the CPU.

    Raises:
        RoborewError: as of `weight_files`, or a file is damaged.
    """
    from roborew.weights.files import read_tensors

    tensors: dict[str, Any] = {}
    for file in weight_files(folder):
        tensors |= read_tensors(file)
    return tensors
