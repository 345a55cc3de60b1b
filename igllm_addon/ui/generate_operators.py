# SPDX-License-Identifier: GPL-3.0-or-later
"""Generate Data: regenerate training data with the template that shows predicted scenes, in a process of its own."""

from __future__ import annotations

from pathlib import Path

import bpy

from . import jobs
from .folders import log_path_or_none
from .properties import IGLLM_PG_generation


class IGLLM_OT_generate(bpy.types.Operator):
    """Make pictures, labels and graphics code; what the folder already holds is not made again"""

    bl_idname = "igllm.generate"
    bl_label = "Generate Data"

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        """One at a time."""
        if jobs.state.generation is not None and not jobs.state.generation.is_over:
            cls.poll_message_set("A data set is being made already")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Start it and come back at once."""
        from .comparison_job import blender_command
        from .generation_job import GenerationJob

        settings = context.scene.igllm.generation
        jobs.state.failure = None
        folder = Path(bpy.path.abspath(settings.folder))
        if settings.folder.startswith("//") and not bpy.data.filepath:
            return jobs.refuse(
                self, "The folder begins with //, which means beside this file: save the file or choose another folder."
            )
        try:
            folder.mkdir(parents=True, exist_ok=True)
            command = [*blender_command(), "--", "generate", *generate_arguments(settings, folder)]
            jobs.state.generation = GenerationJob(command, folder, log_path_or_none("generate.log"))
        except OSError as error:
            return jobs.refuse(self, f"{folder} cannot be written ({error.strerror or error}); choose another folder.")
        jobs.start_pump()
        return {"FINISHED"}


class IGLLM_OT_generate_cancel(bpy.types.Operator):
    """Stop making the data set; what is there stays, and a later run goes on from it"""

    bl_idname = "igllm.generate_cancel"
    bl_label = "Cancel"
    bl_options = {"INTERNAL"}

    def execute(self, _context: bpy.types.Context) -> set[str]:
        """Ask it to end."""
        if jobs.state.generation is not None:
            jobs.state.generation.ask_to_stop()
        return {"FINISHED"}


class IGLLM_OT_open_folder(bpy.types.Operator):
    """Open the data set's folder in the system's file browser"""

    bl_idname = "igllm.open_folder"
    bl_label = "Open Folder"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Only where the folder is."""
        if not Path(bpy.path.abspath(context.scene.igllm.generation.folder)).is_dir():
            cls.poll_message_set("The folder is not there yet")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Open it."""
        bpy.ops.wm.path_open(filepath=bpy.path.abspath(context.scene.igllm.generation.folder))
        return {"FINISHED"}


def generate_arguments(settings: IGLLM_PG_generation, folder: Path) -> list[str]:
    """The command line of `igllm generate` for the panel's settings."""
    return [
        settings.template,
        *("--count", str(settings.count), "--seed", str(settings.seed), "--out", str(folder)),
        *("--width", str(settings.width), "--height", str(settings.height), "--samples", str(settings.samples)),
    ]


CLASSES = (IGLLM_OT_generate, IGLLM_OT_generate_cancel, IGLLM_OT_open_folder)
