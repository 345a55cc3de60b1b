# SPDX-License-Identifier: GPL-3.0-or-later
"""What De-render Image asks of the model runner and what it makes of the answer, from the panel's settings."""

from __future__ import annotations

from pathlib import Path

import bpy

from ..core.errors import UsageError
from ..render_templates.meshes.model_template import template_from_facts
from ..render_templates.template import Template
from . import jobs, preferences
from .derender_run import Order
from .folders import log_path_or_none, template_of_model
from .properties import OTHER_MODEL
from .result_builder import Plan
from .source_pictures import SourcePicture, picture_of_file, source_picture

_TEMPLATE = "clevr"  # of a model that does not say which


def order_and_plan(context: bpy.types.Context, filepath: str, model: str, command: tuple[str, ...]) -> tuple[Order, Plan]:
    """filepath, model: a script's own, or empty where the panel's settings hold. command: starts the model runner. A UsageError
    says what is missing."""
    chosen = _model(context, model)
    name, facts = template_of_model(chosen)
    template = template_from_facts(name or _TEMPLATE, facts)
    own = template.empty_scene().camera
    picture = picture_of_file(filepath) if filepath else source_picture(context, context.scene.igllm, own)
    if missing := preferences.what_is_missing():
        raise UsageError(f"{missing} Set it up in the preferences of this extension.")
    return _order(picture, chosen, template, command), _plan(context, picture, chosen, template, facts)


def _model(context: bpy.types.Context, model: str) -> str:
    """A shipped model's name or an absolute path."""
    settings = context.scene.igllm
    model = model or (settings.model_folder if settings.model == OTHER_MODEL else settings.model)
    if not model:
        raise UsageError("No model folder is chosen; choose one below the model.")
    return str(Path(bpy.path.abspath(model)).resolve()) if "/" in model or "\\" in model else model


def _order(picture: SourcePicture, model: str, template: Template, command: tuple[str, ...]) -> Order:
    own = preferences.current()
    jobs.state.keep_runner_s = 60.0 * own.keep_minutes if own is not None else 600.0
    return Order(
        name=picture.name,
        read_picture=picture.read,
        model=model,
        vocabulary=template.vocabulary,
        command=command,
        log_path=log_path_or_none("runner.log"),
        patience_s=float(own.patience_s) if own is not None else 300.0,
        # What a template's Blender side has to compute before it can make anything; not every template has that.
        prepare=getattr(template.blender_side(), "prepare", None),
    )


def _plan(context: bpy.types.Context, picture: SourcePicture, model: str, template: Template, facts: str) -> Plan:
    settings, own = context.scene.igllm, preferences.current()
    return Plan(
        name=f"De-rendered {Path(picture.name).stem}",
        scene_uid=context.scene.session_uid,
        template=template.name,
        facts=facts,
        model=model,
        size_px=picture.header.shown_size_px,
        orientation=picture.header.orientation,
        picture_path=picture.path,
        image_name=picture.image_name,
        eye=picture.eye,
        with_stage=settings.with_stage,
        look_through=settings.look_through and picture.eye is None,
        uncertain_below=own.uncertain_below if own is not None else 0.7,
    )
