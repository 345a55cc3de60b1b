# SPDX-License-Identifier: GPL-3.0-or-later
"""Where models are: the ones that come with the package and the user's own, by name, and any other by its folder. No torch."""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from ..core.errors import WeightsError
from ..core.model_folders import CHECKPOINT_FOLDER, models_folder

WEIGHTS_FOLDER = Path(__file__).resolve().parent / "weights"
CONFIG_NAME, WEIGHTS_NAME, CARD_NAME = "config.json", "model.safetensors", "MODEL_CARD.md"


def shipped_models() -> tuple[str, ...]:
    """The names of the models in the package, in alphabetical order."""
    if not WEIGHTS_FOLDER.is_dir():
        return ()
    return tuple(sorted(folder.name for folder in WEIGHTS_FOLDER.iterdir() if (folder / CONFIG_NAME).is_file()))


def learned_models_folder() -> Path:
    """Where the user's own models lie; it need not be there."""
    return models_folder(os.environ, Path.home(), sys.platform)


def learned_models() -> dict[str, Path]:
    """Name -> checkpoint of each of the user's own models, in alphabetical order; a shipped one's name is that one's."""
    folder = learned_models_folder()
    found = sorted(folder.iterdir()) if folder.is_dir() else []
    checkpoints = {entry.name: _checkpoint_in(entry) for entry in found}
    shipped = shipped_models()
    return {name: path for name, path in checkpoints.items() if (path / CONFIG_NAME).is_file() and name not in shipped}


def model_directory(name_or_folder: str) -> Path:
    """The folder of a shipped model, of one of the user's or of another checkpoint; a WeightsError where it lacks what a
    checkpoint has. The folder of a learnt model stands for the checkpoint in it."""
    own, shipped = learned_models(), name_or_folder in shipped_models()
    named = WEIGHTS_FOLDER / name_or_folder if shipped else own.get(name_or_folder)
    folder = named or _checkpoint_in(Path(name_or_folder))
    if named is None and not folder.is_dir():
        names = [*shipped_models(), *own]
        known = f"name one of {', '.join(names)}, or" if names else "none comes with this installation, so give"
        raise WeightsError(f"There is no model {name_or_folder!r}; {known} the folder of a checkpoint.")
    if missing := [name for name in (CONFIG_NAME, WEIGHTS_NAME) if not (folder / name).is_file()]:
        raise WeightsError(f"The model folder {folder} lacks {' and '.join(missing)}; install it again or choose another.")
    return folder


def _checkpoint_in(folder: Path) -> Path:
    inside = folder / CHECKPOINT_FOLDER
    return inside if (inside / CONFIG_NAME).is_file() and not (folder / CONFIG_NAME).is_file() else folder


def size_bytes(folder: Path) -> int:
    """What the model's files take on disk."""
    return sum(path.stat().st_size for path in folder.iterdir() if path.is_file())


def check_weights(folder: Path) -> str:
    """The sha256 of the weights, which the config must name; a WeightsError where it names another, or none."""
    found = hashlib.sha256((folder / WEIGHTS_NAME).read_bytes()).hexdigest()
    try:
        expected = json.loads((folder / CONFIG_NAME).read_text(encoding="utf-8"))["weights_sha256"]
    except (ValueError, KeyError, TypeError) as error:
        raise WeightsError(f"{folder / CONFIG_NAME} does not name the sha256 of its weights; install the model again.") from error
    if found != expected:
        raise WeightsError(f"{folder / WEIGHTS_NAME} has the sha256 {found}, expected {expected}; install the model again.")
    return found


def weights_states() -> Iterator[tuple[str, str, bool]]:
    """For each shipped model its name, what its check found, and whether that is right."""
    for name in shipped_models():
        folder = WEIGHTS_FOLDER / name
        try:
            digest = check_weights(model_directory(name))
        except WeightsError as error:
            yield name, str(error), False
        else:
            yield name, f"{size_bytes(folder) / 1e6:.1f} MB, sha256 {digest[:12]} as its config says", True


def headline_figures(folder: Path) -> tuple[str, tuple[tuple[str, str], ...]]:
    """What the model's card says under "Figures": the first column of numbers of the first table there, as its heading and rows
    of (what, figure). Empty where there is no card or no such table."""
    card = folder / CARD_NAME
    text = card.read_text(encoding="utf-8") if card.is_file() else ""
    table = re.search(r"^## Figures$(?s:.*?)^(\|.*\|)\n\|[-:| ]+\|\n((?:\|.*\|\n?)+)", text, re.MULTILINE)
    if table is None:
        return "", ()
    heading, *rows = ([cell.strip() for cell in line[1:-1].split("|")] for line in (table[1], *table[2].splitlines()))
    return heading[1], tuple((row[0], row[1]) for row in rows)
