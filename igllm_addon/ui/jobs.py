# SPDX-License-Identifier: GPL-3.0-or-later
"""What works beside Blender at this moment, and what the panels say about it. None of it is stored in a file.

A modal operator steps a de-render and a comparison, so that each is one undo step. The set-up of the runner and data sets, which
last longer than a file may stay open, are stepped by a timer that lives only as long as there is something to step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import bpy

from . import warm_up
from .runner_session import RunnerSession, wait_for_endings

if TYPE_CHECKING:
    from .comparison_job import ComparisonJob
    from .derender_run import DerenderRun
    from .environment import Setup
    from .generation_job import GenerationJob
    from .learning_job import LearningJob
    from .python_check import PythonCheck

_PUMP_S = 0.1
_QUIT_LIMIT_S = 4.0


class Stepped(Protocol):
    """Work that goes on by step() until it is over."""

    is_over: bool

    def step(self) -> None: ...
    def cancel(self) -> None: ...


@dataclass
class Failure:
    """What went wrong, for the panel: a sentence, and all that helps to understand it."""

    sentence: str
    details: str


@dataclass
class State:
    """The one of this Blender. Finished set-ups and data sets stay here for what they have to say."""

    derender: DerenderRun | None = None
    result_id: str = ""  # of the result that it builds
    comparison: ComparisonJob | None = None
    setup: Setup | None = None
    check: PythonCheck | None = None
    generation: GenerationJob | None = None
    learning: LearningJob | None = None
    failure: Failure | None = None
    keep_runner_s: float = 600.0


session = RunnerSession()
state = State()


def running_result_id() -> str:
    """The id of the result that is being built; empty where none is."""
    return state.result_id if state.derender is not None else ""


def fail(sentence: str, details: str = "") -> None:
    """Let the panel show it until the next run."""
    state.failure = Failure(sentence, details or sentence)
    redraw()


def refuse(operator: bpy.types.Operator, sentence: str, details: str = "") -> set[str]:
    """What an operator that could not do it returns: the sentence stands in the panel and in the status bar."""
    fail(sentence, details)
    operator.report({"WARNING"}, sentence)
    return {"CANCELLED"}


def redraw() -> None:
    """Have the sidebars and the preferences drawn again, for what they show of a run. Not the viewports, which may show a scene
    that takes long to draw."""
    for window in bpy.context.window_manager.windows if bpy.context.window_manager else ():
        for area in window.screen.areas:
            wanted = {"VIEW_3D": "UI", "PREFERENCES": "WINDOW"}.get(area.type)
            for region in area.regions if wanted is not None else ():
                if region.type == wanted:
                    region.tag_redraw()


def start_pump() -> None:
    """Begin to step what has no operator of its own."""
    if not bpy.app.background and not bpy.app.timers.is_registered(_pump):
        bpy.app.timers.register(_pump, first_interval=_PUMP_S)


def pump_once() -> bool:
    """One step of everything that has no operator of its own; whether something is left to do."""
    busy = False
    for work in _without_operator():
        if not work.is_over:
            work.step()
            busy = True
    resting_s = session.seconds_at_rest_or_none()
    if resting_s is not None and resting_s > state.keep_runner_s and state.derender is None:
        session.end(wait=False)
    return busy or session.seconds_at_rest_or_none() is not None


def stop_everything() -> None:
    """The extension is disabled or Blender quits: nothing may be left, neither a process nor a timer."""
    if bpy.app.timers.is_registered(_pump):
        bpy.app.timers.unregister(_pump)
    if state.derender is not None:
        state.derender.abandon()
    for work in (*_without_operator(), state.comparison):
        if work is not None and not work.is_over:
            work.cancel()
    session.end(wait=True)
    wait_for_endings(_QUIT_LIMIT_S)
    warm_up.wait(_QUIT_LIMIT_S)
    state.__init__()  # type: ignore[misc]  # back to the defaults, in the same object that everybody imported


def _without_operator() -> list[Any]:
    return [work for work in (state.setup, state.check, state.generation, state.learning) if work is not None]


def _pump() -> float | None:
    busy = pump_once()
    if any(not work.is_over for work in _without_operator()):
        redraw()
    elif busy:
        redraw()
        return 1.0  # only a resting runner is left to be watched
    return _PUMP_S if busy else None
