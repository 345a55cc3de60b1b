# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that belong together appear together, or not at all. Standard library and core."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .core.errors import UsageError


@contextmanager
def complete_set(folder: Path) -> Iterator[Path]:
    """A temporary folder to write into. Where the block ends well, all of its files are moved into `folder`, in the place of
    older ones of the same names; where it does not, `folder` stays as it was, and goes away again if it was not there before."""
    was_there = folder.is_dir()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Inside of the folder, so that it is on the same disk and moving is renaming.
        made = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=folder))
    except OSError as error:
        raise UsageError(
            f"The output folder {folder} cannot be written ({error.strerror}); choose another with --out."
        ) from error
    try:
        yield made
        for path in sorted(made.iterdir()):
            os.replace(path, folder / path.name)
    finally:
        shutil.rmtree(made, ignore_errors=True)
        if not was_there and not any(folder.iterdir()):
            folder.rmdir()
