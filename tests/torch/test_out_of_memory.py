# SPDX-License-Identifier: GPL-3.0-or-later
"""The runner tells running out of memory from other faults of a model."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs torch")

from igllm_addon.model_runner.serving import _is_out_of_memory  # noqa: E402  (torch must be known to exist first)


def test_an_allocation_that_torch_cannot_make_is_out_of_memory() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(10**15)

    assert _is_out_of_memory(caught.value)


def test_that_of_a_graphics_card_is_too() -> None:
    assert _is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory."))


def test_shapes_that_do_not_fit_are_another_fault() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.ones(2, 3) @ torch.ones(2, 3)

    assert not _is_out_of_memory(caught.value)
