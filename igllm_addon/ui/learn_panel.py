# SPDX-License-Identifier: GPL-3.0-or-later
"""The sidebar's panel Learn These Assets."""

from __future__ import annotations

import bpy

from . import jobs
from .folders import learned_models_folder
from .learn_operators import file_name
from .sentences import draw_sentence


class IGLLM_PT_learn(bpy.types.Panel):
    """What to learn, for how long, the button or the progress, how it ended."""

    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "IG-LLM"
    bl_label = "Learn These Assets"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        """The rows."""
        layout, settings, job = self.layout, context.scene.igllm.learning, jobs.state.learning
        layout.use_property_split = True
        layout.use_property_decorate = False
        busy = job is not None and not job.is_over
        folder = learned_models_folder() / file_name(settings.name)
        begun = (folder / "learn.json").is_file() and not (folder / "checkpoint").exists()
        column = layout.column()
        column.enabled = not busy
        column.prop(settings, "name")
        if not begun:
            column.prop(settings, "what")
            column.prop(settings, "minutes")
            column.prop(settings, "seed")
        if job is not None and busy:
            row = layout.row(align=True)
            row.progress(factor=job.fraction, text="Cancelling" if job.is_cancelling else job.line)
            row.operator("igllm.learn_cancel", text="", icon="X")
        else:
            layout.operator("igllm.learn", text="Go On" if begun else "Learn", icon="OUTLINER_OB_LIGHT")
            layout.operator("igllm.learn_remove", icon="TRASH")
        if job is not None and job.is_over and job.sentence:
            draw_sentence(layout, job.sentence, context, icon="ERROR" if job.failed else "INFO")


CLASSES = (IGLLM_PT_learn,)
