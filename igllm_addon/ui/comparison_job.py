# SPDX-License-Identifier: GPL-3.0-or-later
"""Renders a result from its camera beside Blender, in steps that never wait."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import bpy

from ..core.errors import RenderError, UsageError
from .child_process import GUARD, ChildProcess

_SIDE_LIMIT_PX, _SIDE_LEAST_PX = 640, 16
_SAMPLES = 32


class ComparisonJob:
    """A render of a collection, as it is now, with the size of its picture. sentence: what went wrong, or empty."""

    def __init__(self, collection: bpy.types.Collection) -> None:
        """Raises a UsageError where it has no camera or no picture."""
        result = collection.igllm
        if result.camera is None:
            raise UsageError("The result's camera was deleted; undo that, or press Rebuild after de-rendering again.")
        if result.picture is None:
            raise UsageError("The result's picture is gone; de-render it again.")
        self.run_id = result.run_id
        self.is_over = False
        self.sentence = ""
        folder = Path(tempfile.mkdtemp(prefix="igllm-compare-", dir=bpy.app.tempdir or None))
        self.render_path = folder / "render.png"
        blend = folder / "result.blend"
        bpy.data.libraries.write(str(blend), {collection}, compress=False)
        width, height = _bounded(result.picture_width, result.picture_height)
        job = {
            "blend": str(blend),
            "collection": collection.name,
            "camera": result.camera.name,
            "frame": result.frame.name if result.frame is not None else "",
            "template": result.template,
            "facts": result.facts,
            "width_px": width,
            "height_px": height,
            "samples": _SAMPLES,
            "out": str(self.render_path),
        }
        (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
        try:
            self._child = ChildProcess([*blender_command(), "--", "render", str(folder / "job.json")])
        except OSError as error:
            raise RenderError(f"Another Blender cannot be started to render ({error}).") from error

    def step(self) -> None:
        """See whether it is done."""
        status = self._child.exit_status_or_none()
        if self.is_over or status is None:
            return
        self.is_over = True
        if not self.render_path.is_file():
            self.sentence = f"The result could not be rendered (exit status {status})."

    def cancel(self) -> None:
        """Stop rendering."""
        self._child.kill()
        self.is_over = True
        self.sentence = "The comparison was cancelled."

    def details(self) -> str:
        """The end of what the other Blender wrote."""
        return f"{self.sentence}\n\n{self._child.log_tail()}"


def blender_command() -> list[str]:
    """Starts guarded.py in a Blender of its own, with factory settings; its arguments follow after "--"."""
    if bpy.app.binary_path:
        start = [bpy.app.binary_path, "--background", "--factory-startup", "--python-exit-code", "1"]
        return [*start, "--python", str(GUARD)]
    return [sys.executable, "-P", str(GUARD)]  # Blender as a Python module


def _bounded(width: int, height: int) -> tuple[int, int]:
    scale = min(1.0, _SIDE_LIMIT_PX / max(width, height, 1))
    return max(round(width * scale), _SIDE_LEAST_PX), max(round(height * scale), _SIDE_LEAST_PX)
