# SPDX-License-Identifier: GPL-3.0-or-later
"""Which model is meant where none is named, and where a user's own lie, for the command line and for Blender alike. No file
system here, only names.

A learnt model is a folder there, with its checkpoint (config.json, model.safetensors, MODEL_CARD.md) in the folder `checkpoint`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

DEFAULT_MODEL = "clevr-small"
MODELS_VARIABLE = "IGLLM_MODELS"
CHECKPOINT_FOLDER = "checkpoint"
MESHES_KEY = "meshes"  # of config.json: the library that a learnt model knows, as learning/ writes it


def models_folder(environment: Mapping[str, str], home: Path, platform: str) -> Path:
    """The folder of the models of the user with this environment, on the platform that sys.platform names."""
    if own := environment.get(MODELS_VARIABLE):
        return Path(own)
    if platform == "win32":
        return Path(environment.get("LOCALAPPDATA") or home / "AppData" / "Local") / "igllm" / "models"
    if platform == "darwin":
        return home / "Library" / "Application Support" / "igllm" / "models"
    return Path(environment.get("XDG_DATA_HOME") or home / ".local" / "share") / "igllm" / "models"
