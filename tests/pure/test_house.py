# SPDX-License-Identifier: GPL-3.0-or-later
"""Promises about the repository itself: the README's tree, versions that agree, one lock file."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def tracked_files() -> list[str]:
    listing = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listing.returncode:
        pytest.skip("not a git checkout, so there is no list of files to compare with")
    return listing.stdout.split()


def tree_in_readme() -> set[str]:
    """Paths of the README's last code block: indented by two spaces a level, a comment after two spaces."""
    block = (ROOT / "README.md").read_text(encoding="utf-8").split("```")[-2]
    paths: set[str] = set()
    folders: list[str] = []
    for line in block.strip("\n").splitlines():
        depth = (len(line) - len(line.lstrip())) // 2
        folders = folders[:depth]
        for name in re.split(r"\s{2,}", line.strip())[0].split(", "):
            paths.add("/".join([*folders, name.rstrip("/")]))
            last = name
        if last.endswith("/"):
            folders.append(last.rstrip("/"))
    return paths


def test_the_readmes_tree_names_every_module_of_the_package_and_nothing_else() -> None:
    tracked = {
        name
        for name in tracked_files()
        if name.startswith("igllm_addon/") and name.endswith(".py") and not name.endswith("__init__.py")
    }
    shown = {name for name in tree_in_readme() if name.endswith(".py")}

    assert shown == tracked


def test_the_version_is_the_changelogs_newest() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)

    assert newest is not None
    assert newest.group(1) == version


def test_the_lock_file_pins_every_requirement_exactly() -> None:
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()

    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9_.\-]+==[A-Za-z0-9.]+", line)] == []
    assert {"bpy==4.5.15", "torch==2.13.0"} <= set(lines)
