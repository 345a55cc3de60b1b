# SPDX-License-Identifier: GPL-3.0-or-later
"""Renders a result in a Blender of its own, so that the artist's keeps going. Runs in that process, started by guarded.py.

The job is a JSON file: {"blend": the file that holds the collection, "collection": str, "camera": str, "frame": an object's
name or "", "template": str, "facts": str, "width_px": int,
"height_px": int, "samples": int, "out": the picture's file}.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import bpy

from ..render_templates.meshes.model_template import template_from_facts
from ..render_templates.render import apply_options, render_png
from ..render_templates.render_options import RenderOptions


def main(arguments: Sequence[str]) -> int:
    """Render the job in this file."""
    job = json.loads(Path(arguments[0]).read_text(encoding="utf-8"))
    bpy.ops.wm.read_factory_settings(use_empty=True)
    with bpy.data.libraries.load(job["blend"], link=False) as (_, wanted):
        wanted.collections = [job["collection"]]
    (collection,) = wanted.collections
    scene = bpy.context.scene
    scene.collection.children.link(collection)
    scene.camera = bpy.data.objects.get(job["camera"])
    template = template_from_facts(job["template"], job["facts"])
    side = template.blender_side()
    side.prepare_world(scene)
    if not any(item.type == "LIGHT" for item in collection.objects):
        _light(collection, side.new_stage(template.empty_scene().lights), bpy.data.objects.get(job["frame"]))
    apply_options(scene, RenderOptions(job["width_px"], job["height_px"], samples=job["samples"]))
    render_png(scene, Path(job["out"]))
    return 0


def _light(collection: bpy.types.Collection, stage: list[Any], frame: bpy.types.Object | None) -> None:
    """A result without lights of its own, as from a viewport, is shown with the template's."""
    for made in stage:
        made.parent = frame
        collection.objects.link(made)
