# SPDX-License-Identifier: GPL-3.0-or-later
"""Learn These Assets: a model that knows the selected objects, or the file's assets, made in a process of its own."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path
from typing import Any

import bpy

from . import jobs, preferences
from .folders import learned_models_folder, log_path_or_none
from .properties import IGLLM_PG_learning

_LIBRARY = "library"


class IGLLM_OT_learn(bpy.types.Operator):
    """Make a model that knows these meshes; what was interrupted goes on where it was"""

    bl_idname = "igllm.learn"
    bl_label = "Learn These Assets"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """One at a time, and only where meshes are whole."""
        if jobs.state.learning is not None and not jobs.state.learning.is_over:
            cls.poll_message_set("A model is being learnt already")
            return False
        if context.mode != "OBJECT":
            cls.poll_message_set("Leave the present mode first: this works in Object Mode")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Start it and come back at once."""
        from ..core.errors import IgllmError
        from .learning_job import LearningJob, learn_command

        settings = context.scene.igllm.learning
        jobs.state.failure = None
        try:
            if missing := preferences.what_is_missing():
                raise _refusal(f"{missing} Set it up in the preferences of this extension.")
            model = model_path(settings)
            going_on = can_go_on(model)
            if not going_on:
                _write_library(context, settings, model)
            options = ["--resume"] if going_on else ["--minutes", f"{settings.minutes:g}", "--seed", str(settings.seed)]
            blender = bpy.app.binary_path or sys.executable
            command = learn_command(preferences.runner_python(), blender, model / _LIBRARY, model, options)
            jobs.state.learning = LearningJob(command, model, log_path_or_none("learn.log"))
        except IgllmError as error:
            return jobs.refuse(self, str(error))
        except OSError as error:
            return jobs.refuse(
                self, f"{error.filename or 'The model'} cannot be written ({error.strerror or error}); check the disk."
            )
        jobs.start_pump()
        return {"FINISHED"}


class IGLLM_OT_learn_cancel(bpy.types.Operator):
    """Stop learning; how far it has come is kept, and the button goes on from there"""

    bl_idname = "igllm.learn_cancel"
    bl_label = "Cancel"
    bl_options = {"INTERNAL"}

    def execute(self, _context: bpy.types.Context) -> set[str]:
        """Ask it to end."""
        if jobs.state.learning is not None:
            jobs.state.learning.ask_to_stop()
        return {"FINISHED"}


class IGLLM_OT_learn_remove(bpy.types.Operator):
    """Delete the model of this name, with its pictures and its copy of the meshes"""

    bl_idname = "igllm.learn_remove"
    bl_label = "Delete This Model"
    bl_options = {"INTERNAL"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Only what is there and not at work."""
        if jobs.state.learning is not None and not jobs.state.learning.is_over:
            cls.poll_message_set("It is being learnt")
            return False
        name = file_name(context.scene.igllm.learning.name)
        if not name or not (learned_models_folder() / name).is_dir():
            cls.poll_message_set("There is no model of this name")
            return False
        return True

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Ask first."""
        return set(context.window_manager.invoke_confirm(self, event))

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Delete."""
        shutil.rmtree(model_path(context.scene.igllm.learning), ignore_errors=True)
        jobs.state.learning = None
        return {"FINISHED"}


def model_path(settings: IGLLM_PG_learning) -> Path:
    """Where the model of the panel's name goes; a UsageError where the name is of no use."""
    name = file_name(settings.name)
    if not name:
        raise _refusal(f"A model needs a name of letters or digits, got {settings.name!r}; write another.")
    return learned_models_folder() / name


def file_name(name: str) -> str:
    """The name as a folder's."""
    return re.sub(r"[^A-Za-z0-9.\-]+", "-", name.strip()).strip("-.")


def can_go_on(model: Path) -> bool:
    """Whether a learning was begun there and not finished. A UsageError where it was finished."""
    if (model / "checkpoint").exists():
        raise _refusal(f"There is a model “{model.name}” already; write another name, or delete that one.")
    return (model / "learn.json").is_file()


def _write_library(context: bpy.types.Context, settings: IGLLM_PG_learning, model: Path) -> None:
    from ..render_templates.meshes.importers import save_objects

    if settings.what == "SELECTED":
        chosen, where = list(context.selected_objects), "No mesh is selected; select some, or choose Marked as Assets."
    else:
        chosen = [item for item in bpy.data.objects if item.asset_data is not None]
        where = "No mesh of this file is marked as an asset; mark some, or choose Selected Objects."
    meshes: list[Any] = [item for item in chosen if item.type == "MESH" and len(item.data.polygons)]
    if not meshes:
        raise _refusal(where)
    save_objects(meshes, model / _LIBRARY / f"{model.name}.blend")


def _refusal(sentence: str) -> Exception:
    from ..core.errors import UsageError

    return UsageError(sentence)


CLASSES = (IGLLM_OT_learn, IGLLM_OT_learn_cancel, IGLLM_OT_learn_remove)
