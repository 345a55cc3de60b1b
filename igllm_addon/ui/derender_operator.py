# SPDX-License-Identifier: GPL-3.0-or-later
"""De-render Image: a picture becomes a collection. Blocks in scripts; in a window it works beside what the artist does."""

from pathlib import Path
from typing import TYPE_CHECKING, cast

import bpy
from bpy.props import StringProperty

from . import jobs, preferences
from .folders import log_path_or_none, template_of_model
from .modal_work import ModalWork
from .properties import OTHER_MODEL

if TYPE_CHECKING:
    from ..render_templates.template import Template
    from .derender_run import DerenderRun, Order
    from .result_builder import Plan, ResultBuilder
    from .source_pictures import SourcePicture

_TEMPLATE = "clevr"  # of a model that does not say which


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
    # The scene's camera, the viewport's perspective and the render's size before this run.
    _looked_through = cast("tuple[str, str, tuple[int, int, int]] | None", None)

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
        from ..render_templates.template import template_named
        from .derender_run import DerenderRun
        from .result_builder import ResultBuilder

        jobs.state.failure = None
        if jobs.state.derender is not None:
            return self._refuse("A picture is being de-rendered already; wait for it or cancel it.")
        try:
            picture = self._picture(context)
            model = self._model(context)
            template = template_named(template_of_model(model) or _TEMPLATE)
            order, plan = self._order(picture, model, template), self._plan(context, picture, model, template)
        except (IgllmError, OSError) as error:
            return self._refuse(str(error))
        self._builder = ResultBuilder(plan)
        jobs.state.result_id = plan.run_id
        self._run = jobs.state.derender = DerenderRun(order, jobs.session)
        return True

    def step(self, context: bpy.types.Context) -> set[str] | None:
        """At most one object at a time: building takes milliseconds, but a scene may hold many."""
        run, builder = self._run, self._builder
        assert run is not None and builder is not None
        run.step()
        if run.arrived and run.state.value in ("running", "done"):
            statement = run.arrived.popleft()
            builder.add(statement.text, statement.confidence)
            self._look_through(context)
            return None
        if not run.is_over:
            return None
        if run.state.value == "done" and not _is_undo_whole(context):
            run.stage = "Leave this mode to finish"
            return None
        jobs.state.derender = None
        self._run = None
        if run.state.value == "done":
            collection = builder.finish(run.elapsed_s)
            jobs.start_pump()  # it ends the runner that nobody needs any more
            self.report({"INFO"}, f"{collection.name}: {sum('igllm_statement' in item for item in collection.objects)} objects")
            return {"FINISHED"}
        builder.remove()
        self._look_back(context)
        if run.state.value == "failed":
            jobs.fail(run.sentence, run.details())
            self.report({"WARNING"}, run.sentence)
        else:
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

    def _picture(self, context: bpy.types.Context) -> "SourcePicture":
        from .source_pictures import picture_of_file, source_picture

        return picture_of_file(self.filepath) if self.filepath else source_picture(context, context.scene.igllm)

    def _model(self, context: bpy.types.Context) -> str:
        """A shipped model's name or an absolute path."""
        from ..core.errors import UsageError

        settings = context.scene.igllm
        model: str = self.model or (settings.model_folder if settings.model == OTHER_MODEL else settings.model)
        if not model:
            raise UsageError("No model folder is chosen; choose one below the model.")
        return str(Path(bpy.path.abspath(model)).resolve()) if "/" in model or "\\" in model else model

    def _order(self, picture: "SourcePicture", model: str, template: "Template") -> "Order":
        from ..core.errors import UsageError
        from .derender_run import Order

        if missing := preferences.what_is_missing():
            raise UsageError(f"{missing} Set it up in the preferences of this extension.")
        own = preferences.current()
        jobs.state.keep_runner_s = 60.0 * own.keep_minutes if own is not None else 600.0
        return Order(
            name=picture.name,
            read_picture=picture.read,
            model=model,
            vocabulary=template.vocabulary,
            command=runner_command(),
            log_path=log_path_or_none("runner.log"),
            patience_s=float(own.patience_s) if own is not None else 300.0,
            # What a template's Blender side has to compute before it can make anything; not every template has that.
            prepare=getattr(template.blender_side(), "prepare", None),
        )

    def _plan(self, context: bpy.types.Context, picture: "SourcePicture", model: str, template: "Template") -> "Plan":
        from .result_builder import Plan

        settings, own = context.scene.igllm, preferences.current()
        return Plan(
            name=f"De-rendered {Path(picture.name).stem}",
            scene_uid=context.scene.session_uid,
            template=template.name,
            model=model,
            size_px=picture.header.shown_size_px,
            orientation=picture.header.orientation,
            picture_path=picture.path,
            image_name=picture.image_name,
            eye=picture.eye,
            with_stage=settings.with_stage,
            look_through=settings.look_through and picture.eye is None,
            uncertain_below=own.uncertain_below if own is not None else 0.7,
        )

    def _refuse(self, sentence: str) -> bool:
        jobs.fail(sentence)
        self.report({"WARNING"}, sentence)
        return False

    def _look_through(self, context: bpy.types.Context) -> None:
        """Once there is a camera, let the viewport look through it, so that the objects appear on the picture."""
        from .result_builder import fit_render

        builder = self._builder
        assert builder is not None
        collection, scene, area = builder.collection_or_none, builder.scene, context.area
        if not builder.plan.look_through or area is None or area.type != "VIEW_3D" or collection is None:
            return
        if collection.igllm.camera is not None and scene == context.scene and scene.camera != collection.igllm.camera:
            view = area.spaces.active.region_3d
            before, render = scene.camera, scene.render
            size = render.resolution_x, render.resolution_y, render.resolution_percentage
            name = before.name if before is not None else ""
            self._looked_through = self._looked_through or (name, view.view_perspective, size)
            scene.camera = collection.igllm.camera
            fit_render(scene, builder.plan.size_px)
            view.view_perspective = "CAMERA"

    def _look_back(self, context: bpy.types.Context) -> None:
        """The run came to nothing, so the viewport is to show what it showed."""
        if self._looked_through is None:
            return
        assert self._builder is not None
        camera, perspective, size = self._looked_through
        scene = self._builder.scene
        scene.camera = bpy.data.objects.get(camera)
        render = scene.render
        render.resolution_x, render.resolution_y, render.resolution_percentage = size
        if context.area is not None and context.area.type == "VIEW_3D":
            context.area.spaces.active.region_3d.view_perspective = perspective


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
