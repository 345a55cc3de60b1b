# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that belong together appear together or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from igllm_addon.core.errors import UsageError
from igllm_addon.output_set import complete_set


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*"))


def test_nothing_is_in_the_folder_before_all_is_written(tmp_path: Path) -> None:
    with complete_set(tmp_path / "new" / "out") as unfinished:
        (unfinished / "a.txt").write_text("1")
        before = (tmp_path / "new" / "out" / "a.txt").exists()
        (unfinished / "b.txt").write_text("2")

    assert not before
    assert names_in(tmp_path / "new" / "out") == ["a.txt", "b.txt"]


def test_older_files_are_replaced_and_others_stay(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("old")
    (tmp_path / "notes.txt").write_text("mine")

    with complete_set(tmp_path) as unfinished:
        (unfinished / "a.txt").write_text("new")

    assert ((tmp_path / "a.txt").read_text(), (tmp_path / "notes.txt").read_text()) == ("new", "mine")
    assert names_in(tmp_path) == ["a.txt", "notes.txt"]


def test_a_failure_leaves_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("old")

    with pytest.raises(KeyboardInterrupt), complete_set(tmp_path) as unfinished:
        (unfinished / "a.txt").write_text("half")
        raise KeyboardInterrupt

    assert names_in(tmp_path) == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "old"


def test_a_failure_leaves_no_new_folder(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), complete_set(tmp_path / "out"):
        raise KeyboardInterrupt

    assert names_in(tmp_path) == []


def test_a_file_in_the_place_of_the_folder_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")

    with pytest.raises(UsageError, match="out cannot be written .*; choose another with --out"), complete_set(tmp_path / "out"):
        pass
