# SPDX-License-Identifier: GPL-3.0-or-later
"""The first phase of `igllm learn`: pictures of the library's meshes, as many as fit into its time. No bpy; workers have it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO, cast

from ..render_templates.crew import CrewOptions
from ..render_templates.generate_command import usable_cores
from ..render_templates.generation import generate, settle_for
from ..render_templates.render_options import RenderOptions
from ..render_templates.run_options import RunOptions
from ..render_templates.template import template_named
from .plan import LEAST_PICTURES, MOST_PICTURES, SHARD_SIZE, Plan, fitting, size_px
from .progress import BarReader, BudgetClock, Teller

TRAIN, MEASURED = "train", "val_ID"
_SAMPLES = 4  # of Cycles, without the denoiser: the most pictures
_MOST_WORKERS = 8
_WORTH_S = 12.0  # of rendering left, for which starting Blender again is worth its time
_OPTIONS = {"so3": {"region": "all"}, "shapenet": {"domain": "all"}, "sixdof": {}}


@dataclass(frozen=True)
class Studio:
    """library, meshes: what is shown. worker: the command that starts a worker. log: where bars and sentences go."""

    library: str
    meshes: tuple[str, ...]
    worker: list[str]
    data: Path
    log: TextIO


class _Enough(Exception):
    """The time for pictures is over."""


def render_pictures(plan: Plan, studio: Studio, clock: BudgetClock, end_s: float, teller: Teller) -> int:
    """Render what is missing; how many pictures there are to learn from. They are fewer than planned where time runs out, and
    more where there is time left."""
    _render(plan, studio, MEASURED, plan.measured, lambda done: teller.tell(f"pictures: {done} of {plan.measured} to measure on"))
    count = plan.pictures
    while True:
        pace = _Pace(clock, end_s, count, teller)
        try:
            _render(plan, studio, TRAIN, count, pace.heard)
        except _Enough:
            count = fitting(pace.done)
            settle_for(_run_options(plan, studio, TRAIN), count, studio.data)
            _render(plan, studio, TRAIN, count, lambda done: teller.tell("pictures: packing them"))
            return count
        left = end_s - clock.elapsed_s()
        more = fitting(count + (left - _WORTH_S / 2) * pace.rate())
        if left < _WORTH_S or more <= count or count >= MOST_PICTURES:
            return count
        count = more


class _Pace:
    """Watches pictures come, and stops them when their time is over."""

    def __init__(self, clock: BudgetClock, end_s: float, count: int, teller: Teller) -> None:
        self._clock, self._end_s, self._count, self._teller = clock, end_s, count, teller
        self.done = 0
        self._first: tuple[int, float] | None = None
        self._last: tuple[int, float] | None = None

    def heard(self, done: int) -> None:
        """So many are there."""
        self.done = max(done, self.done)
        now = (done, self._clock.elapsed_s())
        self._first, self._last = self._first or now, now
        self._teller.tell(f"pictures: {done:,} of {self._count:,}")
        whole = done - done % SHARD_SIZE
        if now[1] > self._end_s and whole >= LEAST_PICTURES and done < self._count:
            raise _Enough

    def rate(self) -> float:
        """Pictures a second, between the first and the last that were heard of."""
        if self._first is None or self._last is None or self._last[1] <= self._first[1]:
            return 0.0
        return (self._last[0] - self._first[0]) / (self._last[1] - self._first[1])


def _render(plan: Plan, studio: Studio, split: str, count: int, heard: Callable[[int], None]) -> None:
    run = _run_options(plan, studio, split)
    cores = usable_cores()
    workers = min(cores, _MOST_WORKERS)
    bars = BarReader(lambda name, done, total: heard(done), studio.log)
    generate(run, count, studio.data, studio.worker, max(1, cores // workers), CrewOptions(size=workers), cast(TextIO, bars))


def _run_options(plan: Plan, studio: Studio, split: str) -> RunOptions:
    template = template_named(plan.template)
    width, height = size_px(plan.template)
    names = ",".join(studio.meshes)
    own = {"mesh": names} if plan.template == "so3" else {"meshes": names}
    given = {"library": studio.library, **own, **_OPTIONS[plan.template]}
    options = template.given_options(given, split, height / width)
    render = RenderOptions(width, height, "cycles", _SAMPLES, False)
    return RunOptions(plan.template, split, plan.seed, 0, "webdataset", SHARD_SIZE, (), render, options)
