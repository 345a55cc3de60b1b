# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that Blender is told about when the extension is enabled, and that it forgets when it is disabled."""

from __future__ import annotations

import atexit

import bpy

from . import (
    compare_operators,
    derender_operator,
    environment_operators,
    file_drop,
    file_handlers,
    generate_operators,
    jobs,
    learn_operators,
    learn_panel,
    panels,
    preferences,
    properties,
    result_operators,
    shell_command,
)

_CLASSES = (
    *properties.CLASSES,
    *preferences.CLASSES,
    *derender_operator.CLASSES,
    *result_operators.CLASSES,
    *compare_operators.CLASSES,
    *generate_operators.CLASSES,
    *learn_operators.CLASSES,
    *environment_operators.CLASSES,
    *panels.CLASSES,
    *learn_panel.CLASSES,
    *file_drop.CLASSES,
)


def register() -> None:
    """Called by Blender through the package's own register()."""
    for item in _CLASSES:
        bpy.utils.register_class(item)
    properties.attach()
    file_handlers.attach()
    shell_command.attach()
    atexit.register(jobs.stop_everything)


def unregister() -> None:
    """The other way round; afterwards nothing of this extension is left, nor any process that it started."""
    jobs.stop_everything()
    atexit.unregister(jobs.stop_everything)
    shell_command.detach()
    file_handlers.detach()
    properties.detach()
    for item in reversed(_CLASSES):
        bpy.utils.unregister_class(item)
