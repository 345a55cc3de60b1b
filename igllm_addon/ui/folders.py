# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the extension keeps what it makes: never beside its code, which each upgrade clears."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import bpy

PACKAGE = (__package__ or "").rpartition(".")[0]  # bl_ext.user_default.igllm_addon, or another repository's name in the middle
MODELS = Path(__file__).resolve().parents[1] / "model_runner" / "weights"


def user_folder() -> Path:
    """The extension's own folder of the user; made where it is missing. Raises OSError where that is not possible."""
    try:
        return Path(bpy.utils.extension_path_user(PACKAGE, path="", create=True))
    except ValueError:  # not installed as an extension, as in development
        return Path(bpy.utils.user_resource("DATAFILES", path="igllm_addon", create=True))


def environment_folder() -> Path:
    """Of the runner's Python that the extension makes."""
    return user_folder() / "runner"


def log_path_or_none(name: str) -> Path | None:
    """A log's file, or None where nothing can be written: that alone is no reason not to work."""
    try:
        folder = user_folder() / "logs"
        folder.mkdir(exist_ok=True)
        path = folder / name
        path.touch()
    except OSError:
        return None
    return path


def shipped_models() -> tuple[str, ...]:
    """The names of the models in the extension."""
    return tuple(sorted(path.parent.name for path in MODELS.glob("*/config.json")))


def learned_models_folder() -> Path:
    """Where the user's own models lie; it need not be there."""
    from ..core.model_folders import models_folder

    return models_folder(os.environ, Path.home(), sys.platform)


def learned_models() -> dict[str, Path]:
    """Name -> folder of each of the user's own models that is finished."""
    return {path.parents[1].name: path.parents[1] for path in sorted(learned_models_folder().glob("*/checkpoint/config.json"))}


def template_of_model(model: str) -> tuple[str, str]:
    """The template that a model was trained for, as its config.json says, and the facts that it depends on (model_template.py);
    empty where there is none to read, which the model runner will explain better."""
    import json

    from ..render_templates.meshes.model_template import facts_of

    folder = Path(model) if Path(model).is_absolute() else MODELS / model
    if (folder / "checkpoint" / "config.json").is_file():
        folder /= "checkpoint"
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        return str(config["vocabulary"]["template"]), facts_of(config, folder)
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return "", ""
