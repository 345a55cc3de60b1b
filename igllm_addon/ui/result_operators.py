# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be done with a result: rebuild it from its code, update its code, select an object, remove it."""

import bpy
from bpy.props import StringProperty

from . import jobs, preferences


def shown_result_or_none(context: bpy.types.Context) -> bpy.types.Collection | None:
    """The result that the panels are about: the chosen one, while it is in the scene."""
    chosen = context.scene.igllm.result
    return chosen if chosen is not None and chosen.igllm.is_finished else None


def shown_result(context: bpy.types.Context) -> bpy.types.Collection:
    """The same, where poll() has seen that there is one."""
    found = shown_result_or_none(context)
    assert found is not None
    return found


class _OnResult:
    """Operators on the shown result."""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Only where there is one."""
        if shown_result_or_none(context) is None:
            cls.poll_message_set("De-render a picture first")  # type: ignore[attr-defined]
            return False
        return True


class IGLLM_OT_rebuild(_OnResult, bpy.types.Operator):
    """Make the objects and the camera again from the edited code"""

    bl_idname = "igllm.rebuild"
    bl_label = "Rebuild"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Or leave all as it is, where the code cannot be read."""
        from ..core.errors import IgllmError
        from .result import rebuild

        own = preferences.current()
        try:
            count = rebuild(shown_result(context), own.uncertain_below if own is not None else 0.7)
        except IgllmError as error:
            return jobs.refuse(self, str(error))
        jobs.state.failure = None
        self.report({"INFO"}, f"{count} objects from the code")
        return {"FINISHED"}


class IGLLM_OT_update_code(_OnResult, bpy.types.Operator):
    """Write the code again from the objects and the camera as they are now"""

    bl_idname = "igllm.update_code"
    bl_label = "Update Code"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Or leave the code as it is, where it cannot say what the objects have become."""
        from ..core.errors import IgllmError
        from .result import update_code

        try:
            count = update_code(shown_result(context))
        except IgllmError as error:
            return jobs.refuse(self, str(error))
        jobs.state.failure = None
        self.report({"INFO"}, f"The code has {count} objects")
        return {"FINISHED"}


class IGLLM_OT_select(bpy.types.Operator):
    """Select this object alone"""

    bl_idname = "igllm.select"
    bl_label = "Select"
    bl_options = {"REGISTER", "UNDO", "INTERNAL"}

    name: StringProperty(name="Object", description="The object's name", options={"SKIP_SAVE"})

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Select it, if it is there and can be selected."""
        chosen = context.view_layer.objects.get(self.name)
        if chosen is None:
            self.report({"WARNING"}, f"{self.name} is not in this view layer")
            return {"CANCELLED"}
        for item in context.view_layer.objects.selected:
            item.select_set(False)
        chosen.select_set(True)
        context.view_layer.objects.active = chosen
        return {"FINISHED"}


class IGLLM_OT_show_code(_OnResult, bpy.types.Operator):
    """Show the result's code in a text editor, beside the viewport if there is none yet"""

    bl_idname = "igllm.show_code"
    bl_label = "Show Code"
    bl_options = {"INTERNAL"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Show it."""
        from .editors import editor_beside

        area = editor_beside(context, "TEXT_EDITOR")
        if area is None:
            self.report({"WARNING"}, "There is no window to show the code in")
            return {"CANCELLED"}
        area.spaces.active.text = shown_result(context).igllm.text
        return {"FINISHED"}


CLASSES = (IGLLM_OT_rebuild, IGLLM_OT_update_code, IGLLM_OT_select, IGLLM_OT_show_code)
