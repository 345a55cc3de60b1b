# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line of `igllm assets`: what a library of meshes holds, what in it cannot be used, and the shipped set. No bpy."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from ..core.command_line import SentenceParser
from ..core.errors import RenderError, UsageError
from ..core.symmetries import Generator
from .generate_command import measurer_command
from .meshes.catalogue import OWN_FOLDER, SHIPPED, Catalogue, MeshEntry
from .meshes.indexing import up_to_date_catalogue
from .meshes.shipped import write_shipped_meshes


def main(arguments: Sequence[str]) -> int:
    """Write the shipped set, or look at a library; the result is the exit status."""
    parser = SentenceParser(
        prog="igllm assets",
        description="Look at a library of meshes: names, classes, sizes, symmetries, and what cannot be used.",
        allow_abbrev=False,
    )
    parser.add_argument("library", nargs="?", default=SHIPPED, metavar="FOLDER", help="default: the meshes that are shipped")
    parser.add_argument("--out", type=Path, metavar="DIR", help="write the shipped meshes there, in ShapeNetCore's layout")
    parser.add_argument("--beside", action="store_true", help=f"keep the catalogue in FOLDER/{OWN_FOLDER}, not in the cache")
    parser.add_argument("--no-previews", dest="previews", action="store_false", help="render no small pictures")
    options = parser.parse_args(arguments)
    if options.out is not None:
        if options.library != SHIPPED:
            raise UsageError("--out writes the shipped meshes; leave FOLDER away.")
        written = write_shipped_meshes(options.out)
        print(f"{len(written)} meshes in {options.out}")
        return 0
    home = Path(options.library).expanduser().resolve() / OWN_FOLDER if options.beside else None
    update = up_to_date_catalogue(
        options.library, measurer_command, home=home, previews=options.previews, report=lambda text: print(text, file=sys.stderr)
    )
    print("\n".join(_report(update.catalogue)))
    print(
        f"{len(update.catalogue.entries)} meshes, {update.measured} files looked at now; the catalogue is {update.catalogue.home}"
    )
    if not update.catalogue.entries:
        raise RenderError(f"No file in {update.catalogue.library} gave a mesh.")
    return 0


def _report(catalogue: Catalogue) -> list[str]:
    width = max((len(word) for word in catalogue.entries), default=0)
    lines = [_line(entry, width) for _, entry in sorted(catalogue.entries.items())]
    lines += [f"{word}: {text}" for word, entry in sorted(catalogue.entries.items()) for text in entry.warnings]
    lines += [f"skipped {item.path}: {item.reason}" for item in catalogue.skipped]
    return lines


def _line(entry: MeshEntry, width: int) -> str:
    size = " x ".join(f"{edge:.2f}" for edge in entry.size)
    stated = " (stated)" if entry.symmetry_is_stated else ""
    return f"{entry.word:{width}}  {entry.faces:7,} faces  {size}  {symmetry_text(entry.symmetry)}{stated}"


def symmetry_text(generators: Sequence[Generator]) -> str:
    """Such as "any turn about z, half turns about x"."""
    if not generators:
        return "no symmetry"
    return ", ".join(f"{_turns(order)} about {_axis(x, y, z)}" for x, y, z, order in generators)


def _turns(order: int) -> str:
    return {0: "any turn", 2: "half turns", 3: "third turns", 4: "quarter turns"}.get(order, f"1/{order} turns")


def _axis(x: float, y: float, z: float) -> str:
    names = {(1.0, 0.0, 0.0): "x", (0.0, 1.0, 0.0): "y", (0.0, 0.0, 1.0): "z"}
    return names.get((x, y, z), f"({x:g}, {y:g}, {z:g})")
