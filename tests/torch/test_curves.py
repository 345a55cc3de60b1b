# SPDX-License-Identifier: GPL-3.0-or-later
"""Curves of a training: a PNG and TensorBoard's event files, both drawn from the log."""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from igllm_addon.model_runner.curves import Curves, series_of

_ENTRIES: list[dict[str, Any]] = [
    {"step": 20, "seconds": 1.0, "loss": 3.0, "heat": 2.0},
    {"step": 30, "seconds": 1.5, "validation": {"score": 0.25, "l2_mean_m": None}},
    {"step": 40, "seconds": 2.0, "loss": 1.0, "heat": 0.5},
]


def test_every_figure_of_the_log_has_a_series() -> None:
    series = series_of([*_ENTRIES, {"step": 60, "seconds": 3.0, "loss": math.nan}])

    assert series == {
        "loss": [(20, 3.0), (40, 1.0)],
        "heat": [(20, 2.0), (40, 0.5)],
        "validation/score": [(30, 0.25)],
    }


def test_a_picture_is_drawn_at_the_end(tmp_path: Path) -> None:
    curves = Curves("tower", tmp_path / "tower.png", tmp_path / "events", list(_ENTRIES))

    curves.close()

    with Image.open(tmp_path / "tower.png") as picture:
        picture.load()
        assert picture.width > 1000
        assert len(set(picture.convert("L").tobytes())) > 10


def test_a_resumed_run_continues_the_events_without_duplicates(tmp_path: Path) -> None:
    loader = pytest.importorskip("tensorboard.backend.event_processing.event_file_loader")
    entries = list(_ENTRIES)
    Curves("tower", tmp_path / "tower.png", tmp_path / "events", entries).close()

    resumed = Curves("tower", tmp_path / "tower.png", tmp_path / "events", entries[:2])
    resumed.refresh()
    resumed.close()

    files = sorted((tmp_path / "events").iterdir())
    found = [
        (value.tag, event.step)
        for file in files
        for event in loader.EventFileLoader(str(file)).Load()
        for value in event.summary.value
    ]
    assert sorted(found) == [("tower/heat", 20), ("tower/loss", 20), ("tower/validation/score", 30)]


def test_without_the_libraries_a_line_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)

    Curves("tower", tmp_path / "tower.png", tmp_path / "events", list(_ENTRIES)).close()

    said = capsys.readouterr().err.splitlines()
    assert said == [
        "tower: no matplotlib in this Python, so training goes on without its curves.",
        "tower: no tensorboard in this Python, so training goes on without its curves.",
    ]
    assert list(tmp_path.iterdir()) == []
