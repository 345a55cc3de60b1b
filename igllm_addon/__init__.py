# SPDX-License-Identifier: GPL-3.0-or-later
"""igllm_addon: turns a picture back into a Blender scene. Nothing is imported here, so that every host can import the package."""


def register() -> None:
    """Called by Blender when the extension is enabled."""
    from .ui.registration import register as register_ui

    register_ui()


def unregister() -> None:
    """Called by Blender when the extension is disabled, and when Blender quits."""
    from .ui.registration import unregister as unregister_ui

    unregister_ui()
