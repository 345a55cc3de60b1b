# SPDX-License-Identifier: GPL-3.0-or-later
"""Benchmarks run by hand and seldom; what they import must still be there when somebody does."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

_FOLDER = Path(__file__).parents[2] / "benchmarks"
_SCRIPTS = sorted(path for path in _FOLDER.glob("*.py"))


@pytest.mark.parametrize("path", _SCRIPTS, ids=lambda path: path.stem)
def test_a_benchmark_finds_what_it_imports(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(_FOLDER))
    spec = importlib.util.spec_from_file_location(f"benchmark_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)

    spec.loader.exec_module(module)

    assert module.__doc__
