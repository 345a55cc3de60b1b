# SPDX-License-Identifier: GPL-3.0-or-later
"""igllm_addon: turns a picture back into a Blender scene. Nothing is imported here, so that every host can import the package."""


def register() -> None:
    """Called by Blender when the extension is enabled."""
    from .ui import registration

    registration.register()


def unregister() -> None:
    """Called by Blender when the extension is disabled, and when Blender quits."""
    from .ui import registration

    registration.unregister()
