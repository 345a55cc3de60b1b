# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare: render the result from its camera, show it beside its picture, save what is shown."""

from pathlib import Path
from typing import TYPE_CHECKING, cast

import bpy
from bpy.props import StringProperty

from . import jobs
from .modal_work import ModalWork
from .result_operators import shown_result, shown_result_or_none

if TYPE_CHECKING:
    from .comparison_job import ComparisonJob


class IGLLM_OT_compare(ModalWork, bpy.types.Operator):
    """Render the result from its camera and show picture, render and difference"""

    bl_idname = "igllm.compare"
    bl_label = "Compare with the Picture"
    bl_options = {"REGISTER", "UNDO"}
    status = "Rendering for the comparison"

    _job = cast("ComparisonJob | None", None)

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """One at a time, and only with a result."""
        if shown_result_or_none(context) is None:
            cls.poll_message_set("De-render a picture first")
            return False
        if jobs.state.comparison is not None:
            cls.poll_message_set("A comparison is being rendered already")
            return False
        return True

    def begin(self, context: bpy.types.Context) -> bool:
        """Start the other Blender."""
        from ..core.errors import IgllmError
        from .comparison_job import ComparisonJob

        jobs.state.failure = None
        try:
            self._job = jobs.state.comparison = ComparisonJob(shown_result(context))
        except IgllmError as error:
            jobs.refuse(self, str(error))
            return False
        return True

    def step(self, context: bpy.types.Context) -> set[str] | None:
        """Wait for the render, then show it."""
        from .comparison_images import take_render

        job = self._job
        assert job is not None
        job.step()
        if not job.is_over:
            return None
        self._job = jobs.state.comparison = None
        collection = next((item for item in bpy.data.collections if item.igllm.run_id == job.run_id), None)
        if job.sentence or collection is None:
            return jobs.refuse(self, job.sentence or "The result was removed while it was rendered.", job.details())
        take_render(collection, job.render_path)
        _show_in_editor(context, collection.igllm.comparison)
        self.report({"INFO"}, collection.igllm.figures)
        return {"FINISHED"}

    def ask_to_stop(self) -> None:
        """ESC."""
        if self._job is not None:
            self._job.cancel()

    def drop(self) -> None:
        """Blender ended the operator."""
        if self._job is not None:
            self._job.cancel()
            self._job = jobs.state.comparison = None


class IGLLM_OT_compare_cancel(bpy.types.Operator):
    """Stop rendering the comparison"""

    bl_idname = "igllm.compare_cancel"
    bl_label = "Cancel Comparison"
    bl_options = {"INTERNAL"}

    def execute(self, _context: bpy.types.Context) -> set[str]:
        """Stop."""
        if jobs.state.comparison is not None:
            jobs.state.comparison.cancel()
        return {"FINISHED"}


class IGLLM_OT_save_comparison(bpy.types.Operator):
    """Save what the comparison shows as a PNG file"""

    bl_idname = "igllm.save_comparison"
    bl_label = "Save as PNG…"

    filepath: StringProperty(name="File", description="Where the PNG file goes", subtype="FILE_PATH")
    filter_glob: StringProperty(default="*.png", options={"HIDDEN"})

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Only with a comparison."""
        result = shown_result_or_none(context)
        return result is not None and result.igllm.render is not None

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        """Ask where."""
        self.filepath = bpy.path.ensure_ext(f"{shown_result(context).name} comparison", ".png")
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Save."""
        from .comparison_images import save_page

        path = Path(bpy.path.ensure_ext(bpy.path.abspath(self.filepath), ".png"))
        try:
            save_page(shown_result(context).igllm, path)
        except OSError as error:
            return jobs.refuse(self, f"{path} cannot be written ({error.strerror}); choose another folder.")
        self.report({"INFO"}, f"Saved {path}")
        return {"FINISHED"}


def _show_in_editor(context: bpy.types.Context, image: bpy.types.Image) -> None:
    from .editors import editor_beside, fit_in_editors

    area = editor_beside(context, "IMAGE_EDITOR")
    if area is None:
        return
    area.spaces.active.image = image
    fit_in_editors(image)


CLASSES = (IGLLM_OT_compare, IGLLM_OT_compare_cancel, IGLLM_OT_save_comparison)
