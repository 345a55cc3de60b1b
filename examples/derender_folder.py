# SPDX-License-Identifier: GPL-3.0-or-later
"""De-renders every picture of a folder into a Blender file beside it.

    blender --background --python examples/derender_folder.py -- PICTURES

Needs the extension to be enabled, and its model runner to be set up in the preferences.
"""

from __future__ import annotations

import sys
from pathlib import Path

import bpy

SUFFIXES = {".png", ".jpg", ".jpeg"}


def main(folder: Path) -> int:
    """How many pictures could not be de-rendered is the exit status, at most 1."""
    failed = []
    for picture in sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES):
        bpy.ops.wm.read_homefile(use_empty=True)
        if bpy.ops.igllm.derender(filepath=str(picture)) != {"FINISHED"}:
            failed.append(picture.name)  # why is in the operator's report above
            continue
        bpy.ops.wm.save_as_mainfile(filepath=str(picture.with_suffix(".blend")))
    print(f"Not de-rendered: {', '.join(failed)}" if failed else "All pictures are de-rendered.")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[sys.argv.index("--") + 1])))
