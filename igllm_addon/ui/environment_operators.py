# SPDX-License-Identifier: GPL-3.0-or-later
"""Buttons for the model runner's Python: make it, stop making it, show the log, remove it."""

from __future__ import annotations

import sys

import bpy

from . import jobs, preferences
from .folders import environment_folder, log_path_or_none

_LOG = "setup.log"


class IGLLM_OT_setup(bpy.types.Operator):
    """Download the packages that the model runner needs into the extension's own folder"""

    bl_idname = "igllm.setup"
    bl_label = "Set Up the Model Runner"

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        """One at a time, and only online."""
        if jobs.state.setup is not None and not jobs.state.setup.is_over:
            cls.poll_message_set("It is being set up already")
            return False
        if not bpy.app.online_access:
            cls.poll_message_set(preferences.OFFLINE)
            return False
        return True

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        """Ask first: nobody is to be surprised by a large download."""
        asked: set[str] = context.window_manager.invoke_props_dialog(self, width=460)
        return asked

    def draw(self, context: bpy.types.Context) -> None:
        """What will happen."""
        from .environment import DOWNLOAD_GB

        own = preferences.current()
        flavor = own.flavor if own is not None else "CPU"
        layout = self.layout.column(align=True)
        layout.scale_y = 0.8
        layout.label(text="The model runs in a Python of its own. Setting it up", icon="INFO")
        layout.label(text=f"downloads about {DOWNLOAD_GB[flavor]:g} GB from pypi.org and pytorch.org", icon="BLANK1")
        layout.label(text="into the extension's folder, and runs only what comes from there:", icon="BLANK1")
        layout.label(text=str(environment_folder()), icon="FILE_FOLDER")
        layout.label(text="It can be cancelled and goes on later. Nothing else is changed.", icon="BLANK1")

    def execute(self, _context: bpy.types.Context) -> set[str]:
        """Begin, or go on."""
        from .environment import Setup, setup_steps

        own = preferences.current()
        try:
            folder = environment_folder()
        except OSError as error:
            self.report({"WARNING"}, f"The extension's folder cannot be written ({error}); choose an existing Python.")
            return {"CANCELLED"}
        steps = setup_steps(folder, sys.executable, own.flavor if own is not None else "CPU")
        jobs.state.setup = Setup(folder, steps, log_path_or_none(_LOG))
        jobs.start_pump()
        return {"FINISHED"}


class IGLLM_OT_setup_cancel(bpy.types.Operator):
    """Stop setting up; what is there stays, and the button goes on with it"""

    bl_idname = "igllm.setup_cancel"
    bl_label = "Cancel Set-Up"
    bl_options = {"INTERNAL"}

    def execute(self, _context: bpy.types.Context) -> set[str]:
        """Stop."""
        if jobs.state.setup is not None and not jobs.state.setup.is_over:
            jobs.state.setup.cancel()
        return {"FINISHED"}


class IGLLM_OT_setup_log(bpy.types.Operator):
    """Open the log of the set-up as a text of this file"""

    bl_idname = "igllm.setup_log"
    bl_label = "Show Log"

    def execute(self, _context: bpy.types.Context) -> set[str]:
        """Load it anew."""
        path = log_path_or_none(_LOG)
        if path is None or path.stat().st_size == 0:
            self.report({"INFO"}, "There is no log yet")
            return {"CANCELLED"}
        text = bpy.data.texts.get(_LOG) or bpy.data.texts.new(_LOG)
        text.from_string(path.read_text(encoding="utf-8", errors="replace"))
        self.report({"INFO"}, f"The log is the text “{_LOG}” in the text editor, and the file {path}")
        return {"FINISHED"}


class IGLLM_OT_setup_remove(bpy.types.Operator):
    """Delete the environment that this extension made, to get its disk space back"""

    bl_idname = "igllm.setup_remove"
    bl_label = "Remove Environment"

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        """Not while something uses it."""
        if jobs.state.derender is not None or (jobs.state.setup is not None and not jobs.state.setup.is_over):
            cls.poll_message_set("It is in use")
            return False
        return environment_folder().exists()

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Ask first."""
        asked: set[str] = context.window_manager.invoke_confirm(self, event)
        return asked

    def execute(self, _context: bpy.types.Context) -> set[str]:
        """Delete it."""
        import shutil

        jobs.session.end(wait=True)
        jobs.state.setup = None
        try:
            shutil.rmtree(environment_folder())
        except OSError as error:
            self.report({"WARNING"}, f"Not all of it could be deleted ({error})")
            return {"CANCELLED"}
        return {"FINISHED"}


CLASSES = (IGLLM_OT_setup, IGLLM_OT_setup_cancel, IGLLM_OT_setup_log, IGLLM_OT_setup_remove)
