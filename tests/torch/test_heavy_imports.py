# SPDX-License-Identifier: GPL-3.0-or-later
"""Imports that hold up no other thread: the library is open before torch is imported, and nothing is collected meanwhile."""

from __future__ import annotations

import gc
import subprocess
import sys

import pytest

from igllm_addon.model_runner.heavy_imports import heavy_imports, open_library

_OPENED = """
import sys
from pathlib import Path
from igllm_addon.model_runner.heavy_imports import open_library
opened = open_library("torch", "lib/libtorch_cpu.so")
print(opened, "torch" in sys.modules, "libtorch_cpu.so" in Path("/proc/self/maps").read_text())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what a process has mapped")
def test_the_library_is_open_before_the_package_is_imported() -> None:
    done = subprocess.run([sys.executable, "-c", _OPENED], capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["True", "False", "True"]


def test_a_library_that_is_not_there_is_left_to_the_import() -> None:
    assert not open_library("torch", "lib/libnothing.so")
    assert not open_library("no_such_package", "lib/libnothing.so")


def test_nothing_is_collected_inside_and_everything_as_before_outside() -> None:
    with heavy_imports():
        inside = gc.isenabled()

    assert not inside
    assert gc.isenabled()
    assert gc.get_freeze_count() > 0
    gc.unfreeze()


def test_collecting_is_taken_up_again_after_an_import_that_fails() -> None:
    with pytest.raises(ModuleNotFoundError), heavy_imports():
        import no_such_package  # type: ignore[import-not-found]  # noqa: F401

    gc.unfreeze()
    assert gc.isenabled()
