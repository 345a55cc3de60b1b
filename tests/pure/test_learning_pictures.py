# SPDX-License-Identifier: GPL-3.0-or-later
"""As many pictures as fit into their time, whatever the machine's speed; a fake renders them."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from igllm_addon.learning import pictures
from igllm_addon.learning.pictures import Studio, render_pictures
from igllm_addon.learning.plan import PICTURES, Plan
from igllm_addon.learning.progress import BudgetClock, Teller
from igllm_addon.render_templates.generation import settle_for
from igllm_addon.render_templates.manifest import check_same_run, new_manifest, read_manifest_or_none, write_manifest
from igllm_addon.render_templates.render_options import RenderOptions
from igllm_addon.render_templates.run_options import BlenderBuild, RunOptions
from igllm_addon.render_templates.sixdof.template import SixdofOptions

PLAN = Plan("sixdof", minutes=10.0, seed=1, pictures=1000, measured=20, tower_steps=100, decoder_steps=100)
RUN = RunOptions("sixdof", "train", 1, 0, "webdataset", 20, (), RenderOptions(128, 128), SixdofOptions())


class Camera:
    """Stands for igllm generate: takes `picture_s` for each picture that is missing, and tells it as its bar does."""

    def __init__(self, picture_s: float) -> None:
        self.now, self.picture_s = 0.0, picture_s
        self.there: dict[str, int] = {}
        self.counts: list[tuple[str, int]] = []
        self.settled: list[int] = []

    def clock(self) -> float:
        return self.now

    def generate(self, run: RunOptions, count: int, out: Path, command: Any, threads: int, crew: Any, stream: Any) -> None:
        self.counts.append((run.split, count))
        while self.there.setdefault(run.split, 0) < count:
            self.there[run.split] += 1
            self.now += self.picture_s
            stream.write(f"\r\x1b[K{run.split}   1%|#   | {self.there[run.split]}/{count}  1.00 images/s, 0:01 left")

    def settle_for(self, run: RunOptions, count: int, out: Path) -> None:
        self.settled.append(count)


def rendered(camera: Camera, monkeypatch: pytest.MonkeyPatch) -> int:
    """How many pictures the phase ends with."""
    monkeypatch.setattr(pictures, "generate", camera.generate)
    monkeypatch.setattr(pictures, "settle_for", camera.settle_for)
    studio = Studio("shipped", ("car_taxi", "mug_stein"), ["blender"], Path("data"), io.StringIO())
    clock = BudgetClock(0.0, camera.clock)
    return render_pictures(PLAN, studio, clock, PLAN.end_s(PICTURES), Teller(PLAN, clock, io.StringIO()))


def test_a_machine_as_fast_as_planned_renders_what_was_planned(monkeypatch: pytest.MonkeyPatch) -> None:
    camera = Camera(picture_s=0.17)

    count = rendered(camera, monkeypatch)

    assert count == 1000
    assert camera.counts == [("val_ID", 20), ("train", 1000)]


def test_a_slow_machine_renders_fewer_in_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    camera = Camera(picture_s=1.0)

    count = rendered(camera, monkeypatch)

    assert count == 160
    assert camera.settled == [160]
    assert camera.now < 200.0


def test_a_fast_machine_renders_more_in_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    camera = Camera(picture_s=0.02)

    count = rendered(camera, monkeypatch)

    assert count > 5000
    assert 150.0 < camera.now < 200.0


def test_a_machine_that_is_far_too_slow_still_renders_something_to_learn_from(monkeypatch: pytest.MonkeyPatch) -> None:
    assert rendered(Camera(picture_s=60.0), monkeypatch) == 40


def test_a_run_that_settles_for_less_can_be_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "train" / "manifest.json"
    path.parent.mkdir()
    write_manifest(path, new_manifest(RUN, BlenderBuild("4.5.15", True), 1000))

    settle_for(RUN, 160, tmp_path)

    manifest = read_manifest_or_none(path)
    assert manifest is not None and manifest.count == 160
    check_same_run(path, manifest, RUN, 160)
