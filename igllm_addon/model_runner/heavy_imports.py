# SPDX-License-Identifier: GPL-3.0-or-later
"""Imports that take seconds, while other threads of the process go on. Standard library only.

Python gives other threads their turns between bytecodes, so what holds them up is single calls: opening torch's library (a
third of a second with everything in memory, seconds from a slow disk) and collecting garbage among the million objects that torch
and transformers leave (a quarter of a second, several times). A cancel that comes meanwhile would wait as long.
"""

from __future__ import annotations

import ctypes
import gc
import importlib.util
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def heavy_imports() -> Iterator[None]:
    """Import torch and what needs it inside of this. Nothing is collected meanwhile, and what was made is never looked through
    again, which also takes a third off the time."""
    open_library("torch", "lib/libtorch_cpu.so")
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if collects:
            gc.enable()


def open_library(package: str, library: str) -> bool:
    """Open a package's native library before the package is imported, without holding the interpreter. Where that cannot be done,
    the import does it; returns whether it was done."""
    found = importlib.util.find_spec(package)
    if sys.platform != "linux" or found is None or not found.submodule_search_locations:
        return False
    path = Path(found.submodule_search_locations[0], library)
    try:
        dlopen = ctypes.CDLL(None).dlopen  # called as a foreign function, for which ctypes lets go of the interpreter
    except AttributeError:
        return False
    dlopen.argtypes, dlopen.restype = (ctypes.c_char_p, ctypes.c_int), ctypes.c_void_p
    return dlopen(os.fsencode(path), os.RTLD_LAZY) is not None
