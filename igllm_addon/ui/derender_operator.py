# SPDX-License-Identifier: GPL-3.0-or-later
"""De-render Image: a picture becomes a collection. Blocks in scripts; in a window it works beside what the artist does."""

from typing import TYPE_CHECKING, cast

import bpy
from bpy.props import StringProperty

from . import jobs, preferences
from .modal_work import ModalWork

if TYPE_CHECKING:
    from .derender_run import DerenderRun
    from .result_builder import ResultBuilder
    from .view_of_result import ViewOfResult


class IGLLM_OT_derender(ModalWork, bpy.types.Operator):
    """Turn the picture into a scene of real objects"""

    bl_idname = "igllm.derender"
    bl_label = "De-render Image"
    bl_options = {"REGISTER", "UNDO"}
    status = "De-rendering"

    filepath: StringProperty(
        name="File",
        description="The picture file; without one, the panel's settings say what is taken",
        subtype="FILE_PATH",
        options={"SKIP_SAVE"},
    )
    model: StringProperty(
        name="Model",
        description="A shipped model's name or a checkpoint's folder; without one, as the panel says",
        options={"SKIP_SAVE"},
    )

    _run = cast("DerenderRun | None", None)
    _builder = cast("ResultBuilder | None", None)
    _view = cast("ViewOfResult | None", None)

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """One run at a time, and only in a mode in which undo holds whole scenes."""
        if jobs.state.derender is not None:
            cls.poll_message_set("A picture is being de-rendered already")
            return False
        if context.mode != "OBJECT":
            cls.poll_message_set("Leave the present mode first: this works in Object Mode")
            return False
        return True

    def begin(self, context: bpy.types.Context) -> bool:
        """Everything that can go wrong without the model runner goes wrong here."""
        from ..core.errors import IgllmError
        from .derender_order import order_and_plan
        from .derender_run import DerenderRun
        from .result_builder import ResultBuilder
        from .view_of_result import ViewOfResult

        jobs.state.failure = None
        if jobs.state.derender is not None:
            jobs.refuse(self, "A picture is being de-rendered already; wait for it or cancel it.")
            return False
        try:
            order, plan = order_and_plan(context, self.filepath, self.model, runner_command())
        except (IgllmError, OSError) as error:
            jobs.refuse(self, str(error))
            return False
        self._builder = ResultBuilder(plan)
        self._view = ViewOfResult(self._builder)
        jobs.state.result_id = plan.run_id
        self._run = jobs.state.derender = DerenderRun(order, jobs.session)
        return True

    def step(self, context: bpy.types.Context) -> set[str] | None:
        """At most one object at a time: building takes milliseconds, but a scene may hold many."""
        run, builder, view = self._run, self._builder, self._view
        assert run is not None and builder is not None and view is not None
        run.step()
        if run.arrived and run.state.value in ("running", "done"):
            statement = run.arrived.popleft()
            builder.add(statement.text, statement.confidence)
            view.look_through(context)
            return None
        if not run.is_over:
            return None
        if run.state.value == "done" and not _is_undo_whole(context):
            run.stage = "Leave this mode to finish"
            return None
        jobs.state.derender = None
        self._run = None
        if run.state.value == "done":
            from ..render_templates.meshes.read import missing_meshes

            collection = builder.finish(run.elapsed_s)
            jobs.start_pump()  # it ends the runner that nobody needs any more
            for sentence in missing_meshes(collection.objects):
                self.report({"WARNING"}, sentence)
            self.report({"INFO"}, f"{collection.name}: {sum('igllm_statement' in item for item in collection.objects)} objects")
            return {"FINISHED"}
        builder.remove()
        view.look_back(context)
        if run.state.value == "failed":
            return jobs.refuse(self, run.sentence, run.details())
        self.report({"INFO"}, "De-render was cancelled")
        return {"CANCELLED"}

    def ask_to_stop(self) -> None:
        """ESC."""
        if self._run is not None:
            self._run.cancel()

    def drop(self) -> None:
        """Blender ended the operator: what it built goes with the file, or stays unfinished in it and is taken away."""
        if self._run is not None:
            self._run.abandon()
            self._run = jobs.state.derender = None
            assert self._builder is not None
            self._builder.remove()


class IGLLM_OT_cancel(bpy.types.Operator):
    """Stop de-rendering and take away what was built so far"""

    bl_idname = "igllm.cancel"
    bl_label = "Cancel De-render"
    bl_options = {"INTERNAL"}

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        """Only while there is a run."""
        return jobs.state.derender is not None

    def execute(self, _context: bpy.types.Context) -> set[str]:
        """Ask; a second time ends the runner."""
        if jobs.state.derender is not None:
            jobs.state.derender.cancel()
        return {"FINISHED"}


class IGLLM_OT_copy_details(bpy.types.Operator):
    """Copy the failure, the versions, the command and the end of the runner's log to the clipboard"""

    bl_idname = "igllm.copy_details"
    bl_label = "Copy Details"
    bl_options = {"INTERNAL"}

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        """Only where something failed."""
        return jobs.state.failure is not None

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Copy."""
        if jobs.state.failure is not None:
            context.window_manager.clipboard = f"Blender {bpy.app.version_string}\n{jobs.state.failure.details}\n"
            self.report({"INFO"}, "The details are in the clipboard")
        return {"FINISHED"}


def _is_undo_whole(context: bpy.types.Context) -> bool:
    """In other modes an undo step holds but the mesh that is edited, and the result's step would be none of its own: wait."""
    return bool(context.mode == "OBJECT")


def runner_command() -> tuple[str, ...]:
    """What starts the model runner."""
    from ..bridge.launch import runner_command as command

    return tuple(command(python=preferences.runner_python()))


CLASSES = (IGLLM_OT_derender, IGLLM_OT_cancel, IGLLM_OT_copy_details)
