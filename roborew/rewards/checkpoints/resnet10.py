"""ResNet-10 of HIL-SERL, as it was converted from JAX (github.com/helper2424/resnet10): group
normalization, and padding as JAX has it, which the weights were trained with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional

from roborew.errors import CorruptFileError

GROUPS = 4
FIRST_CONVOLUTION = "encoder.embedder.0.weight"
STAGE = "encoder.encoder.stages.{}.conv1.conv.weight"
MAX_STAGES = 8


def _padded(pictures: Tensor, kernel: int, stride: int, value: float) -> Tensor:
    """JAX's padding SAME: the odd pixel lies at the bottom and on the right."""
    sides: list[int] = []
    for size in (pictures.shape[3], pictures.shape[2]):
        total = max(0, (-(-size // stride) - 1) * stride + kernel - size)
        sides += [total // 2, total - total // 2]
    return functional.pad(pictures, sides, value=value)


class _Convolution(nn.Module):
    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, bias=False)

    def forward(self, pictures: Tensor) -> Tensor:
        return self.conv(_padded(pictures, self.kernel, self.stride, 0.0))


class _MaxPool(nn.Module):
    def forward(self, pictures: Tensor) -> Tensor:
        return functional.max_pool2d(_padded(pictures, 3, 2, float("-inf")), 3, 2)


class _Norm(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.group_norm = nn.GroupNorm(GROUPS, channels)

    def forward(self, pictures: Tensor) -> Tensor:
        return self.group_norm(pictures)


class _Block(nn.Module):
    """Two convolutions and a short cut, which is a convolution where the width changes."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = _Convolution(inputs, outputs, 3, stride)
        self.norm1 = _Norm(outputs)
        self.conv2 = _Convolution(outputs, outputs, 3)
        self.norm2 = _Norm(outputs)
        self.shortcut = None
        if inputs != outputs:
            self.shortcut = nn.Sequential(_Convolution(inputs, outputs, 1, stride), _Norm(outputs))

    def forward(self, pictures: Tensor) -> Tensor:
        features = functional.relu(self.norm1(self.conv1(pictures)))
        features = self.norm2(self.conv2(features))
        identity = pictures if self.shortcut is None else self.shortcut(pictures)
        return functional.relu(features + identity)


class _Stages(nn.Module):
    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        pairs = pairwise(widths)
        strides = [1, *[2] * (len(widths) - 2)]
        blocks = [_Block(*pair, stride) for pair, stride in zip(pairs, strides, strict=True)]
        self.stages = nn.ModuleList(blocks)

    def forward(self, features: Tensor) -> Tensor:
        for stage in self.stages:
            features = stage(features)
        return features


class ResNet10(nn.Module):
    """Pictures (B, 3, H, W) to features (B, C, H / 32, W / 32) with four stages.

    Args:
        widths: channels after the first convolution and after each stage.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        first = nn.Conv2d(3, widths[0], 7, 2, padding=3, bias=False)
        self.embedder = nn.Sequential(first, _Norm(widths[0]), nn.ReLU(), _MaxPool())
        self.encoder = _Stages(widths)

    def forward(self, pictures: Tensor) -> Tensor:
        """Features of pictures."""
        return self.encoder(self.embedder(pictures))


def resnet10_widths(tensors: Mapping[str, Tensor], place: object) -> list[int] | None:
    """Return the widths of a ResNet-10 among weights, None where there is none.

    Raises:
        CorruptFileError: no network has these.
    """
    names = [STAGE.format(number) for number in range(MAX_STAGES)]
    if FIRST_CONVOLUTION not in tensors or names[0] not in tensors:
        return None
    stages = [name for name in names if name in tensors]
    widths = [tensors[name].shape[0] for name in (FIRST_CONVOLUTION, *stages)]
    if any(width % GROUPS or not width for width in widths):
        raise CorruptFileError(f"{place}: a ResNet-10 has no stages of {widths} channels.")
    return widths
