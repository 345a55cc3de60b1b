# SPDX-License-Identifier: GPL-3.0-or-later
"""Where models are: the ones that come with the package, by name, and any other by its folder. No torch."""

from __future__ import annotations

from pathlib import Path

from ..core.errors import WeightsError

WEIGHTS_FOLDER = Path(__file__).resolve().parent / "weights"
CHECKPOINT_FILES = ("config.json", "model.safetensors")
DEFAULT_MODEL = "clevr-small"


def shipped_models() -> tuple[str, ...]:
    """The names of the models in the package, in alphabetical order."""
    if not WEIGHTS_FOLDER.is_dir():
        return ()
    return tuple(sorted(folder.name for folder in WEIGHTS_FOLDER.iterdir() if (folder / "config.json").is_file()))


def model_directory(name_or_folder: str) -> Path:
    """The folder of a shipped model or of another checkpoint; a WeightsError where it lacks what a checkpoint has."""
    shipped = name_or_folder in shipped_models()
    folder = WEIGHTS_FOLDER / name_or_folder if shipped else Path(name_or_folder)
    if not shipped and not folder.is_dir():
        known = ", ".join(shipped_models()) or "none comes with this installation"
        raise WeightsError(f"There is no model {name_or_folder!r}; name one of {known}, or the folder of a checkpoint.")
    if missing := [name for name in CHECKPOINT_FILES if not (folder / name).is_file()]:
        raise WeightsError(f"The model folder {folder} lacks {' and '.join(missing)}; install it again or choose another.")
    return folder
