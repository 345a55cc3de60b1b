# SPDX-License-Identifier: GPL-3.0-or-later
"""Operators whose work goes on beside Blender: modal from a button, blocking from a script or without a window."""

import time
from typing import Any, cast

import bpy

from . import jobs

_TICK_S = 0.02
_REDRAW_S = 0.1


class ModalWork:
    """Mixed into an operator, which says how its work begins, goes on, is cancelled and dropped.

    begin returns whether there is anything to wait for. step returns None while the work goes on, at last {"FINISHED"}, which
    makes the one undo step, or {"CANCELLED"}.
    """

    _timer = cast("Any", None)
    _drawn_at = 0.0
    status = "Working"

    def begin(self, context: bpy.types.Context) -> bool:
        """Start; False where that failed, with the sentence reported."""
        raise NotImplementedError

    def step(self, context: bpy.types.Context) -> set[str] | None:
        """Do a little, without waiting."""
        raise NotImplementedError

    def ask_to_stop(self) -> None:
        """The artist pressed ESC, or a script was interrupted."""
        raise NotImplementedError

    def drop(self) -> None:
        """Blender itself ends the operator: a new file, or the end."""
        raise NotImplementedError

    def execute(self, context: bpy.types.Context) -> set[str]:
        """For scripts and background mode: come back when it is done."""
        if not self.begin(context):
            return {"CANCELLED"}
        try:
            while (result := self.step(context)) is None:
                time.sleep(_TICK_S)
        except KeyboardInterrupt:
            self.drop()
            raise
        return result

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        """For buttons: go on beside Blender."""
        if context.window is None or bpy.app.background:
            return self.execute(context)
        if not self.begin(context):
            return {"CANCELLED"}
        self._timer = context.window_manager.event_timer_add(_TICK_S, window=context.window)
        context.window_manager.modal_handler_add(self)
        context.workspace.status_text_set(f"{self.status}…   ESC over a 3D viewport cancels")
        jobs.redraw()
        return {"RUNNING_MODAL"}

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Step at each tick; let every other event through."""
        if event.type == "ESC" and event.value == "PRESS" and _is_over_viewport(context, event):
            self.ask_to_stop()
            jobs.redraw()
            return {"RUNNING_MODAL"}
        if event.type != "TIMER":
            return {"PASS_THROUGH"}
        result = self.step(context)
        now = time.monotonic()
        if result is not None or now - self._drawn_at > _REDRAW_S:
            self._drawn_at = now
            jobs.redraw()
        if result is None:
            return {"PASS_THROUGH"}
        self._leave(context)
        return result

    def cancel(self, context: bpy.types.Context) -> None:
        """Called by Blender when it ends the operator by itself."""
        self.drop()
        self._leave(context)

    def _leave(self, context: bpy.types.Context) -> None:
        if self._timer is not None:
            context.window_manager.event_timer_remove(self._timer)
            self._timer = None
        if context.workspace is not None:
            context.workspace.status_text_set(None)


def _is_over_viewport(context: bpy.types.Context, event: bpy.types.Event) -> bool:
    """Elsewhere, as in a file browser or a menu, ESC means something else."""
    for area in context.window.screen.areas if context.window is not None else ():
        inside_x = area.x <= event.mouse_x < area.x + area.width
        if area.type == "VIEW_3D" and inside_x and area.y <= event.mouse_y < area.y + area.height:
            return True
    return False
