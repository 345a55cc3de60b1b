# SPDX-License-Identifier: GPL-3.0-or-later
"""How long calls of the extension keep Blender's main thread: of the processor, because the clock also counts what other
programs do on a busy machine. Everything by which Blender calls the extension is measured. Runs inside of Blender."""

from __future__ import annotations

import functools
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


def timed(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """The same function, measured."""

    @functools.wraps(function)
    def measured(*args: Any, **options: Any) -> Any:
        started = time.thread_time()
        try:
            return function(*args, **options)
        finally:
            worst_ms[name] = max(worst_ms.get(name, 0.0), 1000.0 * (time.thread_time() - started))
            _calls[name] = _calls.get(name, 0) + 1

    return measured


def watch() -> None:
    """Operators, panels, the timer: put the measured function in the place of each."""
    for operator in (module("ui.derender_operator").IGLLM_OT_derender, module("ui.compare_operators").IGLLM_OT_compare):
        for method in ("invoke", "modal"):
            setattr(operator, method, timed(f"{operator.__name__}.{method}", getattr(operator, method)))
    for panel in module("ui.panels").CLASSES:
        panel.draw = timed(f"{panel.__name__}.draw", panel.draw)
    jobs = module("ui.jobs")
    jobs.pump_once = timed("pump", jobs.pump_once)
