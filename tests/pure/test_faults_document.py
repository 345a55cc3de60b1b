# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/faults.md names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_every_fault_has_a_test_and_every_test_that_is_named_exists() -> None:
    document = (ROOT / "docs/faults.md").read_text(encoding="utf-8")
    sources = "\n".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "tests").rglob("test_*.py")))
    existing = set(re.findall(r"^def (test_\w+)\(", sources, re.MULTILINE))
    rows = [line for line in document.splitlines() if re.match(r"\| (?!---|fault |attempt )", line)]
    named = set(re.findall(r"`(test_\w+)`", document))

    assert [row for row in rows if "`test_" not in row] == []
    assert len(rows) > 40
    assert named - existing == set()
