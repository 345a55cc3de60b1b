# SPDX-License-Identifier: GPL-3.0-or-later
"""How long calls of the extension keep Blender's main thread: of the processor, because the clock also counts what other
programs do on a busy machine. Everything by which Blender calls the extension is measured. Runs inside of Blender."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from hands import module

worst_ms: dict[str, float] = {}
_calls: dict[str, int] = {}


def forget() -> None:
    """Begin anew."""
    worst_ms.clear()
    _calls.clear()


def report() -> dict[str, Any]:
    """The worst call of each kind, and how many there were."""
    return {name: {"worst_ms": round(value, 1), "calls": _calls[name]} for name, value in sorted(worst_ms.items())}


class _Measured:
    """Notes how much of the processor's time passes inside of a with statement."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        self._started = time.thread_time()

    def __exit__(self, *_: object) -> None:
        worst_ms[self._name] = max(worst_ms.get(self._name, 0.0), 1000.0 * (time.thread_time() - self._started))
        _calls[self._name] = _calls.get(self._name, 0) + 1


# Blender counts the parameters of what it calls, so that each kind needs a function of its own.
def _measured_draw(name: str, draw: Callable[..., None]) -> Callable[..., None]:
    def measured(self: Any, context: Any) -> None:
        with _Measured(name):
            draw(self, context)

    return measured


def _measured_event(name: str, function: Callable[..., set[str]]) -> Callable[..., set[str]]:
    def measured(self: Any, context: Any, event: Any) -> set[str]:
        with _Measured(name):
            return function(self, context, event)

    return measured


def _measured_part(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def measured(*arguments: Any) -> Any:
        with _Measured(name):
            return function(*arguments)

    return measured


def _measured_pump(pump: Callable[[], bool]) -> Callable[[], bool]:
    def measured() -> bool:
        with _Measured("pump"):
            return pump()

    return measured


def watch() -> None:
    """Operators, panels, the timer: put the measured function in the place of each."""
    for operator in (module("ui.derender_operator").IGLLM_OT_derender, module("ui.compare_operators").IGLLM_OT_compare):
        for method in ("invoke", "modal"):
            setattr(operator, method, _measured_event(f"{operator.__name__}.{method}", getattr(operator, method)))
    for panel in module("ui.panels").CLASSES:
        panel.draw = _measured_draw(f"{panel.__name__}.draw", panel.draw)
    # What a tick is made of, to see where a long one comes from.
    for parts, methods in (
        (module("ui.derender_run").DerenderRun, ("step", "details")),
        (module("ui.result_builder").ResultBuilder, ("add", "finish", "remove")),
        (module("ui.view_of_result").ViewOfResult, ("look_through", "look_back")),
    ):
        for method in methods:
            setattr(parts, method, _measured_part(f"  {parts.__name__}.{method}", getattr(parts, method)))
    jobs = module("ui.jobs")
    jobs.pump_once = _measured_pump(jobs.pump_once)
