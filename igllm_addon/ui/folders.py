# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the extension keeps what it makes: never beside its code, which each upgrade clears."""

from __future__ import annotations

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


def template_of_model(model: str) -> str:
    """The template that a model was trained for, as its config.json says; empty where there is none to read, which the model
    runner will explain better."""
    import json

    folder = Path(model) if Path(model).is_absolute() else MODELS / model
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        return str(config["vocabulary"]["template"])
    except (OSError, ValueError, LookupError, TypeError):
        return ""
