# SPDX-License-Identifier: GPL-3.0-or-later
"""`igllm generate`: scenes, pictures, labels and graphics code of a template, as a data set. No bpy: workers have it.

The same run in the three places where Blender can be:

    igllm generate clevr --count 1000 --seed 1 --out data                         the bpy wheel (also python -m igllm_addon)
    blender --background --python igllm_addon/render_templates/generate.py -- clevr --count 1000 --seed 1 --out data
    python igllm_addon/render_templates/generate.py clevr --count 1000 --seed 1 --out data
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

# What a parent calls its workers with instead of a template's name.
WORKER = "--worker"
MEASURER = "--measure-meshes"


def main(argv: Sequence[str]) -> int:
    """Run the command, without the words `igllm generate`; the result is the exit status."""
    if list(argv) == [WORKER]:
        from .worker import main as serve

        return serve()
    if list(argv) == [MEASURER]:
        from .meshes.measuring import main as measure

        return measure()
    from .generate_command import run_command

    return run_command(argv)


def _main_of_a_file() -> int:
    """Started by its path, this file stands in no package: find the package around it and start again there."""
    package = Path(__file__).resolve().parents[1]
    sys.path.append(str(package.parent))
    module = importlib.import_module(f"{package.name}.render_templates.generate")
    argv = sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else sys.argv[1:]
    return int(module.main(argv))


if __name__ == "__main__":
    sys.exit(_main_of_a_file())
