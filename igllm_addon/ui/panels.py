# SPDX-License-Identifier: GPL-3.0-or-later
"""The sidebar's tab IG-LLM: the one big button first, then the result, the comparison, data sets."""

from __future__ import annotations

import bpy

from . import jobs, preferences, warm_up
from .folders import PACKAGE
from .properties import OTHER_MODEL
from .result_operators import shown_result, shown_result_or_none
from .sentences import draw_sentence
from .sidebar import InSidebar, draw_end, draw_progress

_UNCERTAIN_SHOWN = 8


class IGLLM_PT_derender(InSidebar, bpy.types.Panel):
    """Source, model, button."""

    bl_idname = "IGLLM_PT_derender"
    bl_label = "De-render"

    def draw(self, context: bpy.types.Context) -> None:
        """The rows, the button at their end or the progress in its place."""
        warm_up.begin_once()
        layout, settings = self.layout, context.scene.igllm
        missing = preferences.what_is_missing()
        if missing:
            self._draw_missing(context, missing)
        column = layout.column()
        column.enabled = jobs.state.derender is None
        column.label(text="Picture")
        column.prop(settings, "source", text="")
        if settings.source == "IMAGE":
            column.template_ID(settings, "image", open="image.open")
        elif settings.source == "FILE":
            column.prop(settings, "filepath", text="")
        column.label(text="Model")
        column.prop(settings, "model", text="")
        if settings.model == OTHER_MODEL:
            column.prop(settings, "model_folder", text="")
        layout.separator(factor=0.5)
        if jobs.state.derender is not None:
            self._draw_progress()
        else:
            row = layout.row()
            row.scale_y = 1.6
            row.enabled = not missing
            row.operator("igllm.derender", icon="SHADERFX")

    def _draw_missing(self, context: bpy.types.Context, missing: str) -> None:
        box = self.layout.box()
        draw_sentence(box, missing, context, icon="INFO")
        setup, own = jobs.state.setup, preferences.current()
        if setup is not None and setup.is_over and setup.sentence:
            draw_sentence(box, setup.sentence, context, icon="ERROR")
        if setup is not None and not setup.is_over:
            box.progress(factor=setup.fraction, text=setup.title)
        elif own is not None and own.runner == "OWN" and bpy.app.online_access:
            box.operator("igllm.setup", text=preferences.setup_label())
        elif own is not None and own.runner == "OWN":
            draw_sentence(box, preferences.OFFLINE, context)
            box.prop(context.preferences.system, "use_online_access")
        show = box.operator("preferences.addon_show", text="Open Preferences", icon="PREFERENCES")
        show.module = PACKAGE

    def _draw_progress(self) -> None:
        run = jobs.state.derender
        assert run is not None
        row = self.layout.row(align=True)
        row.scale_y = 1.6
        row.progress(factor=run.fraction or 0.0, text=f"{run.stage}  {run.elapsed_s:.0f} s")
        row.operator("igllm.cancel", text="", icon="X")


class IGLLM_PT_failure(InSidebar, bpy.types.Panel):
    """What went wrong. A panel of its own, because Blender takes the first thing below a progress bar that is gone for that bar,
    and draws it so, while the pointer rests there."""

    bl_label = "Failure"
    bl_parent_id = "IGLLM_PT_derender"
    bl_options = {"HIDE_HEADER"}

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        """Only after one, until the next run."""
        return jobs.state.failure is not None

    def draw(self, context: bpy.types.Context) -> None:
        """The sentence and its button."""
        if jobs.state.failure is not None:
            box = self.layout.box()
            draw_sentence(box, jobs.state.failure.sentence, context, icon="ERROR")
            box.operator("igllm.copy_details", icon="COPYDOWN")


class IGLLM_PT_options(InSidebar, bpy.types.Panel):
    """What a result brings along."""

    bl_label = "Options"
    bl_parent_id = "IGLLM_PT_derender"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        """The switches."""
        settings = context.scene.igllm
        column = self.layout.column()
        column.enabled = settings.source != "VIEWPORT"
        column.prop(settings, "look_through")
        column.prop(settings, "with_stage")


class IGLLM_PT_result(InSidebar, bpy.types.Panel):
    """The collection, its code, its uncertain objects."""

    bl_label = "Result"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Only where there is one."""
        return shown_result_or_none(context) is not None

    def draw(self, context: bpy.types.Context) -> None:
        """The rows."""
        layout, collection = self.layout, shown_result(context)
        layout.prop(context.scene.igllm, "result", text="")
        objects = [item for item in collection.objects if "igllm_statement" in item]
        layout.label(text=f"{len(objects)} objects in {collection.igllm.seconds:.1f} s", icon="OUTLINER_OB_MESH")
        row = layout.row(align=True)
        row.operator("igllm.show_code", icon="TEXT")
        row = layout.row(align=True)
        row.operator("igllm.rebuild", icon="FILE_REFRESH")
        row.operator("igllm.update_code", icon="GREASEPENCIL")
        self._draw_missing_meshes(context, objects)
        self._draw_uncertain(collection, objects)

    def _draw_missing_meshes(self, context: bpy.types.Context, objects: list[bpy.types.Object]) -> None:
        boxes = sorted({item.data["igllm_shape"] for item in objects if item.data is not None and "igllm_missing" in item.data})
        if boxes:
            sentence = f"Shown as boxes, because their meshes cannot be found: {', '.join(boxes)}"
            draw_sentence(self.layout, sentence, context, icon="ERROR")

    def _draw_uncertain(self, collection: bpy.types.Collection, objects: list[bpy.types.Object]) -> None:
        own = preferences.current()
        below = own.uncertain_below if own is not None else 0.7
        found = sorted((item.get("igllm_confidence", 1.0), item.name) for item in objects)
        found = [entry for entry in found if entry[0] < below]
        if not found:
            self.layout.label(text="No object is uncertain", icon="CHECKMARK")
            return
        self.layout.label(text=f"{len(found)} uncertain, click to select", icon="QUESTION")
        column = self.layout.column(align=True)
        for confidence, name in found[:_UNCERTAIN_SHOWN]:
            column.operator("igllm.select", text=f"{confidence:.0%}  {name}").name = name
        if len(found) > _UNCERTAIN_SHOWN:
            column.label(text=f"and {len(found) - _UNCERTAIN_SHOWN} more")


class IGLLM_PT_compare(InSidebar, bpy.types.Panel):
    """Picture against render."""

    bl_label = "Compare"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Only with a result."""
        return shown_result_or_none(context) is not None

    def draw(self, context: bpy.types.Context) -> None:
        """The button, then what it found."""
        layout, result = self.layout, shown_result(context).igllm
        if jobs.state.comparison is not None:
            row = layout.row(align=True)
            row.label(text="Rendering…", icon="RENDER_STILL")
            row.operator("igllm.compare_cancel", text="", icon="X")
        else:
            layout.operator("igllm.compare", icon="IMAGE_REFERENCE")
        if result.render is None:
            return
        layout.label(text=result.figures)
        layout.prop(result, "view", text="")
        if result.view == "WIPE":
            layout.prop(result, "wipe", slider=True)
        elif result.view == "FLICKER":
            layout.prop(result, "flicker", toggle=True)
        layout.operator("igllm.save_comparison", icon="FILE_TICK")


class IGLLM_PT_generate(InSidebar, bpy.types.Panel):
    """Data sets."""

    bl_label = "Generate Data"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        """What to make, the button or the progress, how it ended."""
        layout, settings, job = self.layout, context.scene.igllm.generation, jobs.state.generation
        layout.use_property_split = True
        layout.use_property_decorate = False
        column = layout.column()
        busy = job is not None and not job.is_over
        column.enabled = not busy
        column.prop(settings, "template")
        column.prop(settings, "count")
        column.prop(settings, "seed")
        size = column.column(align=True)
        size.prop(settings, "width")
        size.prop(settings, "height")
        column.prop(settings, "samples")
        column.prop(settings, "folder")
        if job is not None and busy:
            draw_progress(layout, job, "igllm.generate_cancel")
        else:
            layout.operator("igllm.generate", icon="RENDER_ANIMATION")
        draw_end(layout, job, context)
        layout.operator("igllm.open_folder", icon="FILE_FOLDER")


CLASSES = (IGLLM_PT_derender, IGLLM_PT_failure, IGLLM_PT_options, IGLLM_PT_result, IGLLM_PT_compare, IGLLM_PT_generate)
