"""Pictures to features: the convolutional network of DrQ-v2 (arXiv:2107.09645, section 3.1), smaller
as two processor cores are, and the networks of our agents with it in front."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from roborew.agents.network import PolicyValueNetwork
from roborew.agents.pixels.layout import ObservationLayout
from roborew.agents.sac.networks import Actor, QEnsemble
from roborew.errors import InvalidInputError

CHANNELS = 32
STRIDES = (2, 2, 1, 1)
"""Of four layers of 3 x 3; the paper strides once, for pictures of 84 x 84 on a GPU."""
SMALLEST_SIDE = 24
"""Of a picture [pixels]: a smaller one ends between the layers."""
FEATURES = 50
"""Features of all pictures of an observation behind the trunk."""


class PixelEncoder(nn.Module):
    """Four convolutions. A row of its output is what they make of all pictures, followed by the
    vector.

    Attributes:
        num_features: of the pictures.
    """

    def __init__(self, layout: ObservationLayout, generator: torch.Generator) -> None:
        super().__init__()
        assert layout.stack is not None
        frames, channels, height, width = layout.stack
        if min(height, width) < SMALLEST_SIDE:
            raise InvalidInputError(
                f"observations: pictures of {width} x {height} pixels; the agent's network reads at "
                f"least {SMALLEST_SIDE} x {SMALLEST_SIDE}: lower --observations.shrink, or raise "
                "--env.width and --env.height."
            )
        inputs = frames * channels
        layers: list[nn.Module] = []
        for stride in STRIDES:
            convolution = nn.Conv2d(inputs, CHANNELS, 3, stride)
            nn.init.orthogonal_(convolution.weight, math.sqrt(2), generator=generator)
            nn.init.zeros_(convolution.bias)  # pyright: ignore[reportArgumentType]
            layers += [convolution, nn.ReLU()]
            inputs = CHANNELS
        self.convolutions = nn.Sequential(*layers)
        with torch.no_grad():
            example = self.convolutions(torch.zeros(1, frames * channels, height, width))
        self.num_features = example.numel()

    def forward(self, pixels: Tensor, vector: Tensor) -> Tensor:
        """Return (B, num_features + D) for pictures (B, K * C, H, W), uint8, and vectors (B, D)."""
        # Channels last: half as slow on a CPU. The weights keep their order, for the optimizer's sake.
        inputs = pixels.to(torch.float32, memory_format=torch.channels_last)
        centred = inputs.div_(255).sub_(0.5)
        features = self.convolutions(centred).flatten(1)
        return torch.cat([features, vector], dim=1)


class Trunk(nn.Module):
    """What a head reads of an encoder's output: few, layer-normalized features of the pictures, and
    the vector as it is.

    Attributes:
        size: numbers of a row of the output.
    """

    def __init__(
        self, num_features: int, layout: ObservationLayout, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.linear = nn.Linear(num_features, FEATURES)
        nn.init.orthogonal_(self.linear.weight, generator=generator)
        nn.init.zeros_(self.linear.bias)
        self.norm = nn.LayerNorm(FEATURES)
        self.size = FEATURES + layout.vector_size

    def forward(self, encoded: Tensor) -> Tensor:
        pictures, vector = encoded.tensor_split([self.linear.in_features], dim=1)
        features = torch.tanh(self.norm(self.linear(pictures)))
        return torch.cat([features, vector], dim=1)


class PixelFeatures(nn.Module):
    """Rows to features: encoder and trunk in one, for agents whose heads share both."""

    def __init__(self, layout: ObservationLayout, generator: torch.Generator) -> None:
        super().__init__()
        self.encoder = PixelEncoder(layout, generator)
        self.trunk = Trunk(self.encoder.num_features, layout, generator)
        self.size = self.trunk.size
        self._layout = layout

    def forward(self, rows: Tensor) -> Tensor:
        """Return (B, size) for rows of the layout, (B, bytes)."""
        return self.trunk(self.encoder(*self._layout.split(rows)))


class PixelPolicyValueNetwork(PolicyValueNetwork):
    """PPO's policy and value function over features that both of them train."""

    def __init__(
        self,
        layout: ObservationLayout,
        action_dim: int,
        hidden_dim: int,
        initial_std: float,
        generator: torch.Generator,
    ) -> None:
        super().__init__(
            FEATURES + layout.vector_size, action_dim, hidden_dim, initial_std, generator
        )
        self.features = PixelFeatures(layout, generator)

    def inputs(self, observations: Tensor) -> Tensor:
        """Return the features, (B, size), of rows of the layout."""
        return self.features(observations)


class PixelActor(Actor):
    """SAC's policy with a trunk of its own: it reads the encoder and never trains it."""

    def __init__(self, trunk: Trunk, action_dim: int, hidden_dim: int) -> None:
        super().__init__(trunk.size, action_dim, hidden_dim)
        self.trunk = trunk

    def forward(self, observations: Tensor) -> tuple[Tensor, Tensor]:
        """As `Actor.forward`, of an encoder's output."""
        return super().forward(self.trunk(observations))


class PixelQEnsemble(QEnsemble):
    """SAC's action values with a trunk that all of them share."""

    def __init__(self, trunk: Trunk, action_dim: int, hidden_dim: int, num_members: int) -> None:
        super().__init__(trunk.size, action_dim, hidden_dim, num_members)
        self.trunk = trunk

    def forward(self, observations: Tensor, actions: Tensor) -> Tensor:
        """As `QEnsemble.forward`, of an encoder's output."""
        return super().forward(self.trunk(observations), actions)
