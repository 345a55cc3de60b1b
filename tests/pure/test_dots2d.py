# SPDX-License-Identifier: GPL-3.0-or-later
"""The 2D experiment's data: where dots are, how they are drawn, and the file that holds them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from igllm_addon.cli import main
from igllm_addon.core.dots import dot_picture
from igllm_addon.core.errors import SceneError
from igllm_addon.core.graphics_code import parse, serialize
from igllm_addon.core.scene import Scene, SceneObject
from igllm_addon.core.vocabulary import DOTS2D
from igllm_addon.render_templates.dots2d.sample import is_on_checkerboard, points_of


def test_training_points_lie_in_sixteen_fields_of_a_sparse_checkerboard() -> None:
    points = points_of(3, 4000)["checkerboard_sparse"]

    fields = {(int(x), int(y)) for x, y in points * 7}

    assert fields == {(x, y) for x in (0, 2, 4, 6) for y in (0, 2, 4, 6)}
    assert is_on_checkerboard(points).all()


def test_test_points_lie_anywhere() -> None:
    points = points_of(3, 4000)["random"]

    share_on_board = is_on_checkerboard(points).mean()

    assert points.min() >= 0.0 and points.max() <= 1.0
    assert share_on_board == pytest.approx(16 / 49, abs=0.03)


def test_a_dot_is_a_red_disc_of_radius_five_about_its_place() -> None:
    picture = dot_picture(0.25, 0.75)

    red = (picture[..., 1] < 128) & (picture[..., 0] == 255)
    rows, columns = np.nonzero(red)
    assert picture.shape == (336, 336, 3)
    assert columns.mean() + 0.5 == pytest.approx(84.0, abs=0.01)
    assert rows.mean() + 0.5 == pytest.approx(252.0, abs=0.01)
    assert red.sum() == pytest.approx(np.pi * 25.0, rel=0.05)
    assert picture[0, 0].tolist() == [255, 255, 255]


def test_a_smaller_picture_shows_the_dot_at_the_same_place() -> None:
    picture = dot_picture(0.25, 0.75, 112)

    ink = 255.0 - picture[..., 1]
    assert (ink.sum(axis=0) @ (np.arange(112) + 0.5)) / ink.sum() == pytest.approx(28.0, abs=0.05)
    assert (ink.sum(axis=1) @ (np.arange(112) + 0.5)) / ink.sum() == pytest.approx(84.0, abs=0.05)


def test_a_dot_is_written_as_x_and_y() -> None:
    scene = Scene((SceneObject(location=(0.123, 0.456, 0.0)),))

    text = serialize(scene, DOTS2D)

    assert text == "add(x=0.123, y=0.456)\n"
    assert parse(text, DOTS2D).scene == scene


def test_two_dots_are_refused() -> None:
    dot = SceneObject(location=(0.1, 0.2, 0.0))

    with pytest.raises(SceneError, match="at most 1 objects"):
        serialize(Scene((dot, dot)), DOTS2D)


def test_generate_writes_both_arrays_the_same_for_the_same_seed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["generate", "dots2d", "--count", "50", "--seed", "9", "--out", str(tmp_path)])

    with np.load(tmp_path / "2d.npz") as arrays:
        written = {name: arrays[name] for name in arrays.files}
    assert status == 0
    assert set(written) == {"checkerboard_sparse", "random"}
    assert written["random"].shape == (50, 2)
    assert np.array_equal(written["checkerboard_sparse"], points_of(9, 50)["checkerboard_sparse"])
    assert "50 points" in capsys.readouterr().out


def test_generate_without_a_count_says_what_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["generate", "dots2d", "--seed", "9", "--out", "x"])

    assert status == 2
    assert "--count" in capsys.readouterr().err
