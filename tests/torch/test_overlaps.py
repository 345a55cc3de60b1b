# SPDX-License-Identifier: GPL-3.0-or-later
"""Of peaks that claim the same spot only the strongest is believed."""

from __future__ import annotations

import torch

from igllm_addon.model_runner.overlaps import overlapped

_LARGE, _SMALL = 0.7, 0.35


def test_the_weaker_of_two_objects_in_each_other_is_no_object() -> None:
    score = torch.tensor([[0.4, 0.9], [0.9, 0.4]])
    location = torch.tensor([[1.0, 1.0, _SMALL], [1.3, 1.4, _LARGE]]).expand(2, -1, -1)  # 0.5 m apart

    found = overlapped(score, location)

    assert found.tolist() == [[True, False], [False, True]]


def test_objects_that_touch_or_stand_a_little_wrong_are_left_alone() -> None:
    location = torch.tensor([[[0.0, 0.0, _LARGE], [1.1, 0.0, _LARGE], [0.0, 0.8, _SMALL]]])

    found = overlapped(torch.tensor([[0.9, 0.8, 0.7]]), location)

    assert found.tolist() == [[False, False, False]]


def test_what_is_no_object_anyway_is_left_alone() -> None:
    location = torch.tensor([[[0.0, 0.0, _SMALL], [0.0, 0.1, _SMALL]]])

    found = overlapped(torch.tensor([[0.9, 0.05]]), location)

    assert found.tolist() == [[False, False]]
