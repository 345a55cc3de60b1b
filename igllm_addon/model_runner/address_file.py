# SPDX-License-Identifier: GPL-3.0-or-later
"""The file in which `igllm serve` leaves its port and its secrets to its own user, and the lock that says that it is alive.

Who can read the file can use the runner, so it is made with mode 0600 in a folder that nobody else can write to. The lock goes
with the process, whatever ends it; the file may stay behind, and then the next runner writes over it. Standard library and core.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..core.errors import UsageError
from ..core.rendezvous import ADDRESS_BYTES_LIMIT, RUNTIME_VARIABLE, Address, address_from_json, address_path, address_to_json


def own_address_path() -> Path:
    """Where this user's runner leaves its address."""
    return address_path(os.environ, Path.home(), sys.platform)


@contextmanager
def only_runner(path: Path) -> Iterator[None]:
    """Hold the place at `path` for this process; a UsageError where another runner of this user holds it."""
    try:
        _make_private_folder(path.parent)
        descriptor = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
    except OSError as error:
        raise UsageError(
            f"{path.parent} cannot be used for the runner's address ({error.strerror});"
            f" set {RUNTIME_VARIABLE} to a folder of your own."
        ) from error
    try:
        if not _locked(descriptor):
            raise UsageError(f"A model runner of yours is serving already{_its_process(path)}; use that one, or end it first.")
        yield
    finally:
        os.close(descriptor)  # and the lock with it


def write_address(path: Path, address: Address) -> None:
    """Make the file appear, complete and readable for its owner alone."""
    unfinished = path.with_name(f".{path.name}.unfinished")
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(address_to_json(address))
    unfinished.chmod(0o600)  # a umask may have taken even the owner's rights
    unfinished.replace(path)


def remove_address(path: Path) -> None:
    """Take the file away; only for the process that holds the place."""
    path.unlink(missing_ok=True)


def _make_private_folder(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if sys.platform == "win32":
        return  # a folder below the user's own is not open to others there
    found = folder.stat()
    if found.st_uid != os.getuid() or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise UsageError(
            f"{folder} belongs to another user or can be written by others, so a secret is not safe there;"
            f" set {RUNTIME_VARIABLE} to a folder of your own with mode 0700."
        )


def _locked(descriptor: int) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _its_process(path: Path) -> str:
    try:
        with path.open(encoding="utf-8") as file:
            address = address_from_json(file.read(ADDRESS_BYTES_LIMIT))
    except (OSError, ValueError):  # it is only starting, or ending
        return ""
    return f" (process {address.pid}, port {address.port})"
