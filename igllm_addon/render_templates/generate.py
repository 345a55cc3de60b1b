# SPDX-License-Identifier: GPL-3.0-or-later
"""`igllm generate`: scenes, pictures, labels and graphics code of a template, as a data set. No bpy: workers have it.

The same run in the three places where Blender can be:

    igllm generate clevr --count 1000 --seed 1 --out data                         the bpy wheel (also python -m igllm_addon)
    blender --background --python igllm_addon/render_templates/generate.py -- clevr --count 1000 --seed 1 --out data
    python igllm_addon/render_templates/generate.py clevr --count 1000 --seed 1 --out data
"""

from __future__ import annotations

import importlib
import importlib.util
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
    """Started by its path, this file stands in no package: load the package around it, and no other of its name that this Python
    may have installed, and start again there."""
    folder = Path(__file__).resolve().parents[1]
    spec = importlib.util.spec_from_file_location(folder.name, folder / "__init__.py", submodule_search_locations=[str(folder)])
    assert spec is not None and spec.loader is not None
    sys.modules[folder.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[folder.name])
    module = importlib.import_module(f"{folder.name}.render_templates.generate")
    argv = sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else sys.argv[1:]
    return int(module.main(argv))


if __name__ == "__main__":
    sys.exit(_main_of_a_file())
