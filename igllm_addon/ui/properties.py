# SPDX-License-Identifier: GPL-3.0-or-later
"""What is stored in a Blender file: the panel's settings on the scene, and what a result is on its collection."""

import zlib
from typing import TYPE_CHECKING, Any

import bpy
from bpy.props import BoolProperty, EnumProperty, FloatProperty, IntProperty, PointerProperty, StringProperty

from .folders import learned_models, shipped_models

if TYPE_CHECKING:
    from bpy.types import Context

OTHER_MODEL = "FOLDER"
SOURCES = (
    (
        "VIEWPORT",
        "This Viewport",
        "What this 3D viewport looks at, without overlays, through the lens that the model knows",
        "VIEW3D",
        0,
    ),
    ("RENDER", "Render Result", "The last render", "RENDER_RESULT", 1),
    ("IMAGE", "Image", "An image of this Blender file", "IMAGE_DATA", 2),
    ("FILE", "File", "A picture file", "FILE_IMAGE", 3),
)
VIEWS = (
    ("SIDE_BY_SIDE", "Side by Side", "Picture, render and difference next to each other"),
    ("WIPE", "Wipe", "The picture left of a line that you move, the render right of it"),
    ("FLICKER", "Flicker", "The picture or the render, whichever the switch says"),
    ("DIFFERENCE", "Difference", "Where they differ: black is the same, white a quarter of the range or more"),
)
# Blender keeps no reference to the texts of a dynamic list.
_model_items: list[tuple[str, str, str, str, int]] = []
_template_items: list[tuple[str, str, str]] = []


def _models(_self: Any, _context: "Context | None") -> list[tuple[str, str, str, str, int]]:
    from ..core.model_folders import DEFAULT_MODEL

    # A file stores the number, which must stay the same whatever else ships, is learnt or deleted.
    _model_items[:] = [
        (name, name, f"The model {name}, which comes with this extension", "NONE", 0 if name == DEFAULT_MODEL else _number(name))
        for name in shipped_models()
    ]
    _model_items.extend(
        (str(folder), name, f"Your model {name}, learnt from your assets", "USER", _number(name))
        for name, folder in learned_models().items()
    )
    _model_items.append((OTHER_MODEL, "Other…", "A folder with config.json and model.safetensors", "NONE", 1))
    return _model_items


def _number(name: str) -> int:
    return 2 + zlib.crc32(name.encode()) // 4


def _templates(_self: Any, _context: "Context | None") -> list[tuple[str, str, str]]:
    from ..render_templates.template import templates

    _template_items[:] = [(name, name, f"Scenes of the template {name}") for name in templates()]
    return _template_items


def _is_result(_self: Any, collection: bpy.types.Collection) -> bool:
    return bool(collection.igllm.run_id)


def _show_comparison(self: "IGLLM_PG_result", _context: "Context") -> None:
    from .comparison_images import show
    from .editors import fit_in_editors

    size = tuple(self.comparison.size) if self.comparison is not None else ()
    show(self)
    if self.comparison is not None and tuple(self.comparison.size) != size:
        fit_in_editors(self.comparison)


class IGLLM_PG_generation(bpy.types.PropertyGroup):
    """The data set that the panel makes next."""

    template: EnumProperty(name="Template", description="The kind of scenes", items=_templates)
    count: IntProperty(
        name="Pictures", description="How many pictures the data set has in all", default=100, min=1, soft_max=100000
    )
    seed: IntProperty(
        name="Seed", description="Another seed makes other scenes; the same one makes the same again", default=1, min=0
    )
    width: IntProperty(name="Width", description="Of a picture, in pixels", default=320, min=16, soft_max=1920)
    height: IntProperty(name="Height", description="Of a picture, in pixels", default=240, min=16, soft_max=1080)
    samples: IntProperty(name="Samples", description="Of Cycles, per pixel", default=16, min=1, soft_max=512)
    folder: StringProperty(name="Folder", description="Where the data set goes", subtype="DIR_PATH", default="//igllm_data")


class IGLLM_PG_learning(bpy.types.PropertyGroup):
    """The model that the panel learns next."""

    name: StringProperty(name="Name", description="What the model is called in the list", default="my-assets")
    what: EnumProperty(
        name="Meshes",
        description="Which objects it learns",
        items=(
            ("SELECTED", "Selected Objects", "The selected objects that have faces"),
            ("MARKED", "Marked as Assets", "The objects of this file that are marked as assets"),
        ),
    )
    minutes: FloatProperty(
        name="Minutes", description="For all of it; more make a better model", default=30.0, min=0.1, soft_min=5.0, soft_max=600.0
    )
    seed: IntProperty(name="Seed", description="Another seed learns from other pictures", default=1, min=0)


class IGLLM_PG_settings(bpy.types.PropertyGroup):
    """What the panel asks for."""

    source: EnumProperty(name="Source", description="Which picture to turn into a scene", items=SOURCES, default="FILE")
    image: PointerProperty(name="Image", description="The image to turn into a scene", type=bpy.types.Image)
    filepath: StringProperty(name="File", description="The picture file to turn into a scene", subtype="FILE_PATH")
    model: EnumProperty(name="Model", description="Who reads the picture", items=_models)
    model_folder: StringProperty(
        name="Model Folder", description="A folder with config.json and model.safetensors", subtype="DIR_PATH"
    )
    with_stage: BoolProperty(
        name="Ground and Lights",
        description="Also add the ground and lights that the template renders its scenes with; never for a viewport",
        default=True,
    )
    look_through: BoolProperty(
        name="Look Through Its Camera",
        description="Make its camera the scene's, take over the picture's size, and look through it; never for a viewport",
        default=True,
    )
    result: PointerProperty(name="Result", description="The de-rendered collection", type=bpy.types.Collection, poll=_is_result)
    generation: PointerProperty(type=IGLLM_PG_generation)
    learning: PointerProperty(type=IGLLM_PG_learning)


class IGLLM_PG_result(bpy.types.PropertyGroup):
    """What makes a collection a result. run_id is empty on every other collection."""

    run_id: StringProperty()
    is_finished: BoolProperty()
    template: StringProperty()
    facts: StringProperty()  # what its template depends on beyond its name: words and files of meshes
    model: StringProperty()
    seconds: FloatProperty()
    text: PointerProperty(name="Code", description="The graphics code that this collection is built from", type=bpy.types.Text)
    camera: PointerProperty(type=bpy.types.Object)
    frame: PointerProperty(type=bpy.types.Object)
    picture: PointerProperty(type=bpy.types.Image)
    picture_width: IntProperty()
    picture_height: IntProperty()
    picture_orientation: IntProperty(default=1)  # EXIF's
    render: PointerProperty(type=bpy.types.Image)
    comparison: PointerProperty(type=bpy.types.Image)
    figures: StringProperty()
    view: EnumProperty(name="View", description="How picture and render are shown", items=VIEWS, update=_show_comparison)
    wipe: FloatProperty(
        name="Wipe",
        description="Where the picture ends and the render begins",
        default=50.0,
        min=0.0,
        max=100.0,
        subtype="PERCENTAGE",
        update=_show_comparison,
    )
    flicker: BoolProperty(name="Show Render", description="Switch between picture and render", update=_show_comparison)


CLASSES = (IGLLM_PG_generation, IGLLM_PG_learning, IGLLM_PG_settings, IGLLM_PG_result)


def attach() -> None:
    """Give scenes and collections their groups."""
    bpy.types.Scene.igllm = PointerProperty(type=IGLLM_PG_settings)
    bpy.types.Collection.igllm = PointerProperty(type=IGLLM_PG_result)


def detach() -> None:
    """Take them away again."""
    del bpy.types.Collection.igllm
    del bpy.types.Scene.igllm
