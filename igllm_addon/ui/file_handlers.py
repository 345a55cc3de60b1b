# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens to a run when the artist undoes, opens another file, or quits."""

from __future__ import annotations

import bpy
from bpy.app.handlers import persistent

from . import jobs


@persistent
def _before_another_file(*_: object) -> None:
    """The run's file goes: end the run. The panel says so."""
    if jobs.state.derender is not None:
        jobs.state.derender.abandon()
        jobs.state.derender = None
        jobs.fail("The file was closed while its picture was de-rendered; start again.")
    if jobs.state.comparison is not None:
        jobs.state.comparison.cancel()
        jobs.state.comparison = None


@persistent
def _after_undo(*_: object) -> None:
    """What the artist did during a run has undo steps of its own, which hold parts of its result."""
    if not bpy.app.background and not bpy.app.timers.is_registered(_remove_unfinished):
        bpy.app.timers.register(_remove_unfinished, first_interval=0.0)


def _remove_unfinished() -> None:
    from .result import remove_unfinished

    remove_unfinished(jobs.running_result_id())


def attach() -> None:
    """Listen."""
    bpy.app.handlers.load_pre.append(_before_another_file)
    bpy.app.handlers.undo_post.append(_after_undo)
    bpy.app.handlers.redo_post.append(_after_undo)


def detach() -> None:
    """Stop listening."""
    for handlers, own in (
        (bpy.app.handlers.load_pre, _before_another_file),
        (bpy.app.handlers.undo_post, _after_undo),
        (bpy.app.handlers.redo_post, _after_undo),
    ):
        if own in handlers:
            handlers.remove(own)
    if bpy.app.timers.is_registered(_remove_unfinished):
        bpy.app.timers.unregister(_remove_unfinished)
