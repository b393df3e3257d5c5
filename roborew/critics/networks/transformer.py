"""A small causal transformer over embedded frames: no output depends on what comes after it."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional


class CausalLayers(nn.Module):
    """Layers of attention to what came before, (B, L, width) to (B, L, width), normalised."""

    def __init__(self, width: int, layers: int, heads: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(_Layer(width, heads) for _ in range(layers))
        self.last = nn.LayerNorm(width)

    def forward(self, tokens: Tensor) -> Tensor:
        for layer in self.layers:
            tokens = layer(tokens)
        return self.last(tokens)


class _Layer(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.before = nn.LayerNorm(width)
        self.between = nn.LayerNorm(width)
        self.mixed = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.wide = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )

    def forward(self, tokens: Tensor) -> Tensor:
        mixed = self.mixed(self.before(tokens))
        heads = mixed.unflatten(-1, (3, self.heads, -1))
        query, key, value = heads.permute(2, 0, 3, 1, 4)
        attended = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        joined = attended.transpose(1, 2).flatten(2)
        tokens = tokens + self.out(joined)
        widened = self.wide(self.between(tokens))
        return tokens + widened
