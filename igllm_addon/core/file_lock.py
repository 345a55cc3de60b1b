# SPDX-License-Identifier: GPL-3.0-or-later
"""A file that one process holds at a time."""

from __future__ import annotations

from typing import IO


def take_file(file: IO[bytes]) -> bool:
    """Take the file for this process, which gives it back by ending, however it ends. Whether that worked; where
    the system cannot do it, trust."""
    try:
        import fcntl
    except ImportError:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
