# SPDX-License-Identifier: GPL-3.0-or-later
"""`igllm generate dots2d`: a 2d.npz in IG-LLM's form. Pictures are drawn from it when they are needed. No bpy."""

from __future__ import annotations

import argparse
import io
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ...core.command_line import SentenceParser, positive
from ...core.errors import UsageError
from .sample import points_of

FILE_NAME = "2d.npz"


def run_dots2d(argv: Sequence[str]) -> int:
    """Write the file, say where it is."""
    arguments = _parser().parse_args(argv)
    path = arguments.out / FILE_NAME
    buffer = io.BytesIO()
    np.savez(buffer, **points_of(arguments.seed, arguments.count))
    partial = path.with_name(f".{path.name}.unfinished")
    try:
        arguments.out.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(buffer.getvalue())
        os.replace(partial, path)
    except OSError as error:
        raise UsageError(f"{path} cannot be written ({error.strerror}); choose another --out.") from error
    print(f"{arguments.count} points on the checkerboard and {arguments.count} anywhere in {path}.")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = SentenceParser(prog="igllm generate dots2d", description="Write a 2d.npz: dots to train on, and dots to test with.")
    parser.add_argument("--count", type=positive, required=True, help="points of each of the two sets")
    parser.add_argument("--seed", type=int, required=True, help="decides every point")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of 2d.npz")
    return parser
