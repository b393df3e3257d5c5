"""Random shifts: exact, inside, and each picture's own."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from roborew.agents.pixels.random_shift import random_shift, shift


def pictures(count: int = 40) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, 6, 24, 42), generator=generator).to(torch.uint8)


def test_no_move_is_the_identity() -> None:
    before = pictures()
    assert torch.equal(shift(before, torch.zeros(40, 2, dtype=torch.int64), 4), before)


@pytest.mark.parametrize("move", [(2, -3), (-4, 0), (4, 4)])
def test_a_shift_is_a_crop_of_the_picture_with_its_edge_repeated(move: tuple[int, int]) -> None:
    before = pictures(3)
    after = shift(before, torch.tensor([move] * 3), 4)
    padded = np.pad(before.numpy(), [(0, 0), (0, 0), (4, 4), (4, 4)], mode="edge")
    top, left = move[0] + 4, move[1] + 4
    np.testing.assert_array_equal(after, padded[:, :, top : top + 24, left : left + 42])


def test_random_shifts_stay_within_reach_and_use_all_of_it() -> None:
    """A picture of its own rows and columns tells by how much it was moved: 4 of 84 pixels are 2 of
    42."""
    rows = torch.arange(42)[:, None].expand(42, 42)
    numbers = torch.stack([rows, rows.T]).expand(400, 2, 42, 42)
    moved = random_shift(numbers, torch.Generator().manual_seed(1))
    moves = moved[:, :, 20, 20] - 20
    assert set(map(tuple, moves.tolist())) == {(y, x) for y in range(-2, 3) for x in range(-2, 3)}


def test_a_generator_of_the_same_state_shifts_the_same() -> None:
    first, second = (random_shift(pictures(), torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(first, second)
    assert not torch.equal(first, random_shift(pictures(), torch.Generator().manual_seed(4)))
