# SPDX-License-Identifier: GPL-3.0-or-later
"""The extension's preferences: which Python runs the model, how long to wait for it, what counts as uncertain."""

import os
from pathlib import Path

import bpy
from bpy.props import EnumProperty, FloatProperty, IntProperty, StringProperty

from . import jobs
from .folders import PACKAGE, environment_folder
from .sentences import draw_sentence


def _python_changed(self: "IGLLM_AP_preferences", _context: bpy.types.Context) -> None:
    from .python_check import PythonCheck

    self.checked = ""
    if jobs.state.check is not None:
        jobs.state.check.cancel()
    if self.python_path:
        jobs.state.check = PythonCheck(bpy.path.abspath(self.python_path))
        jobs.start_pump()


class IGLLM_AP_preferences(bpy.types.AddonPreferences):
    """Drawn in Blender's preferences below the extension."""

    bl_idname = PACKAGE

    runner: EnumProperty(
        name="Model Runner",
        description="Which Python runs the model. It is never Blender's own",
        items=(
            ("OWN", "Own Environment", "One that this extension makes in its own folder, by a button"),
            ("PYTHON", "Existing Python", "One of yours that has torch, transformers, safetensors, pillow, scipy and numpy"),
        ),
    )
    python_path: StringProperty(
        name="Python", description="The python executable of an environment", subtype="FILE_PATH", update=_python_changed
    )
    checked: StringProperty(options={"HIDDEN"})
    flavor: EnumProperty(
        name="Runs On",
        description="What the model computes on",
        items=(
            ("CPU", "Processor", "Works everywhere; enough for the model that ships"),
            ("GPU", "NVIDIA Graphics Card", "For large models; downloads ten times as much"),
        ),
    )
    patience_s: IntProperty(
        name="Give Up After", description="Seconds without a word from the model runner", default=300, min=2, soft_max=3600
    )
    keep_minutes: IntProperty(
        name="Keep Model Loaded", description="Minutes after a run; the next one begins at once meanwhile", default=10, min=0
    )
    uncertain_below: FloatProperty(
        name="Uncertain Below", description="Objects with less confidence are marked and listed", default=0.7, min=0.0, max=1.0
    )

    def draw(self, context: bpy.types.Context) -> None:
        """The rows."""
        layout = self.layout
        layout.use_property_split = True
        layout.row().prop(self, "runner", expand=True)
        if self.runner == "OWN":
            self._draw_environment(context)
        else:
            layout.prop(self, "python_path")
            self._draw_check(context)
        layout.separator()
        layout.prop(self, "keep_minutes")
        layout.prop(self, "patience_s")
        layout.prop(self, "uncertain_below", slider=True)

    def _draw_environment(self, context: bpy.types.Context) -> None:
        setup, layout = jobs.state.setup, self.layout
        if setup is not None and not setup.is_over:
            row = layout.row(align=True)
            row.progress(factor=setup.fraction, text=f"{setup.title}  {setup.detail}")
            row.operator("igllm.setup_cancel", text="", icon="X")
        else:
            layout.prop(self, "flavor")
            layout.operator("igllm.setup", text=setup_label())
            if setup is not None and setup.sentence:
                draw_sentence(layout, setup.sentence, context, icon="ERROR")
        row = layout.row()
        row.operator("igllm.setup_log")
        row.operator("igllm.setup_remove")
        if not bpy.app.online_access:
            draw_sentence(layout, OFFLINE, context, icon="INTERNET_OFFLINE")
            layout.prop(context.preferences.system, "use_online_access")

    def _draw_check(self, context: bpy.types.Context) -> None:
        check = jobs.state.check
        if check is not None and not check.is_over:
            self.layout.label(text="Looking at it…", icon="SORTTIME")
        elif check is not None and check.answer == "ok":
            self.layout.label(text="It has what the model runner needs", icon="CHECKMARK")
        elif check is not None and check.answer:
            draw_sentence(self.layout, check.answer, context, icon="ERROR")


OFFLINE = "Blender is offline. To set it up, allow online access, or choose an existing Python in the preferences."


def setup_label() -> str:
    """What the button that makes the environment would do."""
    from .environment import has_begun

    folder = _environment_or_none()
    if runner_is_made():
        return "Set Up Again…"
    return "Go On with the Set-Up…" if folder is not None and has_begun(folder) else "Set Up the Model Runner…"


def runner_is_made() -> bool:
    """Whether the extension's own environment is complete."""
    from .environment import is_ready

    folder = _environment_or_none()
    return folder is not None and is_ready(folder)


def current() -> IGLLM_AP_preferences | None:
    """The preferences, or None where the package is not enabled as an extension."""
    addon = bpy.context.preferences.addons.get(PACKAGE)
    return None if addon is None else addon.preferences


def what_is_missing() -> str:
    """One line on why no picture can be de-rendered yet; empty where all is there. Looks at a file or two and starts nothing."""
    preferences = current()
    if preferences is None or preferences.runner == "OWN":
        return "" if runner_is_made() else "The model runner is not set up."
    path = bpy.path.abspath(preferences.python_path)
    if not path:
        return "No Python is chosen for the model runner."
    if not (os.path.isfile(path) and os.access(path, os.X_OK)):
        return f"There is no Python {path}."
    check = jobs.state.check
    return check.answer if check is not None and check.is_over and check.answer not in ("", "ok") else ""


def runner_python() -> Path:
    """The Python of the model runner, as the preferences say."""
    from .environment import environment_python

    preferences = current()
    if preferences is not None and preferences.runner == "PYTHON":
        return Path(bpy.path.abspath(preferences.python_path))
    return environment_python(environment_folder())


def _environment_or_none() -> Path | None:
    try:
        return environment_folder()
    except OSError:
        return None


CLASSES = (IGLLM_AP_preferences,)
