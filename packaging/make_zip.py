# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds the extension's zip from a clean copy of the sources and validates it, with Blender's own tool.

    python packaging/make_zip.py [--out DIR] [--blender PATH]

The tool is `blender --command extension` where --blender names one, else the same program out of the bpy wheel. The zip holds the
package igllm_addon and the licence: every file there that git does not ignore, and nothing else; this is checked at the end.
"""

from __future__ import annotations

import argparse
import importlib.util
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "igllm_addon"
# What a zip without would be of no use.
_NEEDED = (
    "__init__.py",
    "blender_manifest.toml",
    "LICENSE",
    "render_templates/clevr/build.py",
    "model_runner/__main__.py",
    "model_runner/weights/clevr-small/model.safetensors",
    "ui/registration.py",
)


def package_files() -> list[str]:
    """Every file of the package that git knows or would take, relative to the package."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", PACKAGE]
    listing = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if listing.returncode == 0:
        paths = [ROOT / line for line in listing.stdout.splitlines()]
    else:  # a source archive
        paths = [path for path in (ROOT / PACKAGE).rglob("*") if "__pycache__" not in path.parts]
    return sorted(str(path.relative_to(ROOT / PACKAGE)) for path in paths if path.is_file())


def copy_clean(files: list[str], folder: Path) -> None:
    """Only these files, and the licence, into an empty folder."""
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / PACKAGE / name, folder / name)
    shutil.copy(ROOT / "LICENSE", folder / "LICENSE")


def extension_tool(blender: str | None) -> list[str]:
    """The command in front of build and validate."""
    if blender is not None:
        return [blender, "--factory-startup", "--command", "extension"]
    wheel = importlib.util.find_spec("bpy")
    found = [] if wheel is None or wheel.origin is None else list(Path(wheel.origin).parent.glob("*/scripts/addons_core/bl_pkg"))
    if not found:
        raise SystemExit("No Blender is at hand: give --blender PATH, or run this with a Python that has the bpy wheel.")
    return [sys.executable, str(found[0] / "cli" / "blender_ext.py")]


def build(files: list[str], out: Path, blender: str | None) -> Path:
    """The finished, validated zip of these files."""
    version = tomllib.loads((ROOT / PACKAGE / "blender_manifest.toml").read_text(encoding="utf-8"))["version"]
    target = out.resolve() / f"{PACKAGE}-{version}.zip"
    out.mkdir(parents=True, exist_ok=True)
    tool = extension_tool(blender)
    # The wheel's program knows Blender's tags from nowhere; the application does.
    untagged = ["--valid-tags", ""] if blender is None else []
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / PACKAGE
        source.mkdir()
        copy_clean(files, source)
        for command in (
            ["validate", *untagged, str(source)],
            ["build", *untagged, "--source-dir", str(source), "--output-filepath", str(target)],
            ["validate", *untagged, str(target)],
        ):
            subprocess.run([*tool, *command], check=True)
    return target


def check_contents(path: Path, files: list[str]) -> None:
    """The zip holds what it must and nothing that it should not."""
    with zipfile.ZipFile(path) as archive:
        names = set(archive.namelist())
    expected = {*files, "LICENSE"}
    if missing := [name for name in _NEEDED if name not in names]:
        raise SystemExit(f"{path} lacks {', '.join(missing)}.")
    if strange := sorted(name for name in names ^ expected if not name.endswith("/")):
        raise SystemExit(f"{path} and the package differ in {', '.join(strange)}.")


def main() -> int:
    parser = argparse.ArgumentParser(description="Build and validate the extension's zip.")
    parser.add_argument("--out", type=Path, default=ROOT / "dist", metavar="DIR", help="default: dist")
    parser.add_argument("--blender", metavar="PATH", help="build with this Blender instead of the bpy wheel")
    options = parser.parse_args()
    files = package_files()
    path = build(files, options.out, options.blender)
    check_contents(path, files)
    print(f"{path}  {path.stat().st_size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
