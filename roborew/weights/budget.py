"""How large a network may be that a file asks for: no larger than the weights beside it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from threading import local
from typing import Any, Self, cast

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from roborew.errors import CorruptFileError

SLACK_NUMBERS = 2**24
"""Numbers that a network may hold beside its weights, such as masks and positions: 64 MiB."""
SLACK_TENSORS = 4096
FACTOR = 4
"""A network is made with parts that are not kept, such as heads for learning."""
library = cast(Any, torch)
_SIZED = frozenset(getattr(library, name) for name in ("empty", "zeros", "ones", "rand", "randn"))
_COPIES = frozenset((library.Tensor.clone, library.Tensor.__deepcopy__))
_SHAPED = frozenset(
    (
        *(getattr(library, name) for name in ("full", "arange", "linspace", "eye")),
        *(getattr(library, f"{name}_like") for name in ("empty", "zeros", "ones", "rand", "randn")),
        *(getattr(library.Tensor, f"new_{name}") for name in ("empty", "zeros", "ones", "full")),
    )
)
FACTORIES = _SIZED | _COPIES | _SHAPED
"""What makes tensors from sizes, or from other tensors."""


_THREAD = local()


def _open_budgets() -> list[NetworkBudget]:
    """Budgets of this thread, the innermost last."""
    if not hasattr(_THREAD, "budgets"):
        _THREAD.budgets = list[NetworkBudget]()
    return _THREAD.budgets


class NetworkBudget(TorchFunctionMode):
    """Inside the block, networks may hold about as many numbers as a file does: a configuration that
    asks for more ends in an error before the memory is taken.

    Args:
        tensors: number of entries of each tensor in the file.
        place: the file, for the message.

    Raises:
        CorruptFileError: more numbers or tensors are asked for.
    """

    def __init__(self, tensors: Iterable[int], place: object) -> None:
        super().__init__()
        self._open = _open_budgets()
        sizes = list(tensors)
        self._numbers = FACTOR * sum(sizes) + SLACK_NUMBERS
        self._tensors = FACTOR * len(sizes) + SLACK_TENSORS
        self._place = place

    def __enter__(self) -> Self:
        self._open.append(self)
        return super().__enter__()

    def __exit__(self, *exception: object) -> None:
        self._open.pop()
        cast(Any, super()).__exit__(*exception)

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        del types
        # A network with weights of its own has a budget of its own.
        if func in FACTORIES and self._open[-1] is self:
            self._take(_count(func, args, kwargs or {}))
        return func(*args, **(kwargs or {}))

    def _take(self, numbers: int) -> None:
        self._numbers -= numbers
        self._tensors -= 1
        if self._numbers < 0 or self._tensors < 0:
            raise CorruptFileError(
                f"{self._place}: the configuration beside it asks for a network that is many times "
                "larger than these weights. Nothing was loaded; copy both files anew."
            )


def _count(func: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> int:
    """Entries of the tensor that a call would make."""
    if func in _SIZED:
        size = kwargs.get("size", args[0] if len(args) == 1 else args)
        sides = (size,) if isinstance(size, int) else cast("tuple[int, ...]", size)
        return math.prod(int(side) for side in sides)
    if func in _COPIES:
        return args[0].numel()
    # Made where nothing is stored: only its shape is looked at.
    tensor = func(*args, **{**kwargs, "device": "meta"})
    return cast(Tensor, tensor).numel()
