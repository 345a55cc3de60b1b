# SPDX-License-Identifier: GPL-3.0-or-later
"""What the panels of the sidebar's tab IG-LLM have in common."""

from __future__ import annotations

import bpy

from .background_job import BackgroundJob
from .sentences import draw_sentence


class InSidebar:
    """Where a panel is."""

    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "IG-LLM"


def draw_progress(layout: bpy.types.UILayout, job: BackgroundJob, cancel: str) -> None:
    """The row of a job that works; cancel: the operator of its cross."""
    row = layout.row(align=True)
    row.progress(factor=job.fraction, text="Cancelling" if job.is_cancelling else job.line)
    row.operator(cancel, text="", icon="X")


def draw_end(layout: bpy.types.UILayout, job: BackgroundJob | None, context: bpy.types.Context) -> None:
    """How a job ended, where one did and has something to say."""
    if job is not None and job.is_over and job.sentence:
        draw_sentence(layout, job.sentence, context, icon="ERROR" if job.failed else "INFO")
