# SPDX-License-Identifier: GPL-3.0-or-later
"""The sidebar's panel Learn These Assets."""

from __future__ import annotations

import bpy

from . import jobs
from .folders import learned_models_folder
from .learn_operators import file_name
from .sidebar import InSidebar, draw_end, draw_progress


class IGLLM_PT_learn(InSidebar, bpy.types.Panel):
    """What to learn, for how long, the button or the progress, how it ended."""

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
            draw_progress(layout, job, "igllm.learn_cancel")
        else:
            layout.operator("igllm.learn", text="Go On" if begun else "Learn", icon="OUTLINER_OB_LIGHT")
            layout.operator("igllm.learn_remove", icon="TRASH")
        draw_end(layout, job, context)


CLASSES = (IGLLM_PT_learn,)
