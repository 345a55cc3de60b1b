# SPDX-License-Identifier: GPL-3.0-or-later
"""A Debian release in a folder, with its Blender and an X server in it; and whether this machine can have one."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

PACKAGES = ["blender", "python3-numpy", "python3-requests", "python3-zstandard", "python3-cattr"]
PACKAGES += ["xvfb", "xdotool", "imagemagick", "libegl1", "libgl1-mesa-dri"]
MIRROR = "http://deb.debian.org/debian"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_PROGRAMS = ("blender", "Xvfb", "xdotool", "import")
_QUIET = {"DEBIAN_FRONTEND": "noninteractive"}


def obstacle() -> str:
    """Why no tree can be made here; empty where nothing speaks against it. Installs debootstrap where it is missing."""
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        return "it needs Linux and root"
    if not _can_mount():
        return "this root may not mount anything"
    if shutil.which("debootstrap") is None or not KEYRING.exists():
        if shutil.which("apt-get") is None:
            return "debootstrap is not installed, and there is no apt-get to install it with"
        for command in (["update", "-q"], ["install", "-y", "-q", "debootstrap", "debian-archive-keyring"]):
            if subprocess.run(["apt-get", *command], env=os.environ | _QUIET, check=False).returncode != 0:
                return "debootstrap is not installed, and apt-get cannot install it"
    return ""


def prepared_tree(folder: Path, suite: str) -> Path:
    """The tree with all packages; made where it is not there yet. A CalledProcessError where that is not possible."""
    tree = folder / suite
    if not (tree / "usr/bin").is_dir():
        subprocess.run(["debootstrap", "--variant=minbase", f"--keyring={KEYRING}", suite, str(tree), MIRROR], check=True)
    # Debian makes some of them links that mean something only inside of the tree, so they may lead nowhere from here.
    if not all(os.path.lexists(tree / "usr/bin" / name) for name in _PROGRAMS):
        # The signature is checked all the same; what is let pass is a mirror whose copy of a rolling release is some days old.
        update = ["apt-get", "update", "-q", "-o", "Acquire::Check-Valid-Until=false"]
        install = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *PACKAGES]
        for command in (update, install):
            subprocess.run(["chroot", str(tree), *command], check=True, env=os.environ | _QUIET)
    return tree


@contextlib.contextmanager
def mounted(tree: Path) -> Iterator[None]:
    """This Python and the system's own folders, seen in the tree at the places where they are here."""
    folders = [Path("/proc"), Path("/dev"), Path(sys.prefix), Path(sys.base_prefix)]
    done: list[Path] = []
    try:
        for folder in folders:
            place = tree / folder.relative_to("/")
            place.mkdir(parents=True, exist_ok=True)
            subprocess.run(["mount", "--bind", str(folder), str(place)], check=True)
            done.append(place)
        yield
    finally:
        for place in reversed(done):
            subprocess.run(["umount", "--lazy", str(place)], check=False)


def _can_mount() -> bool:
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(["mount", "--bind", folder, folder], stderr=subprocess.DEVNULL, check=False)
        if done.returncode == 0:
            subprocess.run(["umount", folder], check=False)
        return done.returncode == 0
