# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/protocol.md says what core/protocol.py does."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest

from igllm_addon.core import protocol, protocol_fields, rendezvous
from igllm_addon.core.protocol import NOTIFICATIONS, REQUESTS, RESULTS, ErrorCode
from igllm_addon.core.rendezvous import HOST, RUNTIME_VARIABLE, Address, address_path
from igllm_addon.core.vocabulary import Vocabulary
from igllm_addon.model_runner.gate import STRANGERS_LIMIT
from igllm_addon.model_runner.loopback import CLIENTS_LIMIT, OUTBOX_LINES_LIMIT
from igllm_addon.model_runner.schedule import QUEUE_LIMIT
from igllm_addon.model_runner.serving import LEAVE_GRACE_S

DOCUMENT = (Path(__file__).resolve().parents[2] / "docs/protocol.md").read_text(encoding="utf-8")
KINDS = {**REQUESTS, **NOTIFICATIONS, **RESULTS}
# What the document calls the type of a field -> the annotations that it stands for.
TYPES = {
    "whole number": {"int"},
    "text": {"str"},
    "number": {"float"},
    "number or null": {"float | None"},
    "base64": {"bytes"},
    "list of numbers": {"tuple[float, ...]"},
    "list of texts": {"tuple[str, ...]"},
    "list of texts or null": {"tuple[str, ...] | None"},
    "object of numbers": {"Mapping[str, float]"},
    "vocabulary": {"Vocabulary"},
    "object: field → list of texts": {"Mapping[str, tuple[str, ...]]"},
    "object: field → object: word → canonical word": {"Mapping[str, Mapping[str, str]]"},
    "object: shape → whole number": {"Mapping[str, int]"},
    "object: shape → list of symmetries": {"Mapping[str, tuple[Generator, ...]]"},
}


def section(heading: str) -> str:
    """The document's text under the heading, up to the next one of any level."""
    found = re.search(rf"^#+ {re.escape(heading)}(?:, from the \w+)?$\n(.*?)(?=^#|\Z)", DOCUMENT, re.MULTILINE | re.DOTALL)
    assert found is not None, f"docs/protocol.md has no section {heading}"
    return found[1]


def fields_in(text: str) -> dict[str, set[str]]:
    rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \|", text, re.MULTILINE)
    return {name: TYPES[type_name.strip()] for name, type_name in rows}


def fields_of(kind: type[Any]) -> dict[str, set[str]]:
    return {item.name: {str(item.type)} for item in dataclasses.fields(kind) if item.name != "id"}


def test_the_version_is_the_same() -> None:
    assert re.findall(r"Protocol version: \*\*(\d+)\*\*", DOCUMENT) == [str(protocol.PROTOCOL_VERSION)]


def test_the_limits_are_the_same() -> None:
    limits = re.findall(r"^\| \w.* \| (\d+) \|$", section("Transport"), re.MULTILINE)

    assert [int(limit) for limit in limits] == [
        protocol.MESSAGE_BYTES_LIMIT,
        protocol.PICTURE_BYTES_LIMIT,
        rendezvous.FIRST_LINE_BYTES_LIMIT,
        rendezvous.FIRST_LINE_SECONDS_LIMIT,
        STRANGERS_LIMIT,
        CLIENTS_LIMIT,
        QUEUE_LIMIT,
    ]


def test_the_limits_in_the_text_are_the_same() -> None:
    text = section("Loopback")

    assert f"{HOST}, on a port" in text
    assert f"at most {rendezvous.FIRST_LINE_BYTES_LIMIT} bytes, within {rendezvous.FIRST_LINE_SECONDS_LIMIT:g} seconds" in text
    assert f"of more than {STRANGERS_LIMIT} the one" in text
    assert f"A {CLIENTS_LIMIT + 1}th client" in text
    assert f"hung up on when {OUTBOX_LINES_LIMIT}\nlines wait" in text
    assert f"not end within {LEAVE_GRACE_S:g} seconds" in text


def test_the_address_file_has_the_fields_of_its_section() -> None:
    assert fields_in(section("Loopback")) == {item.name: {str(item.type)} for item in dataclasses.fields(Address)}


def test_the_address_file_lies_where_its_section_says() -> None:
    text = section("Loopback")
    home = Path("/home/me")

    assert "| any, where `IGLLM_RUNTIME_DIR` is set | that folder |" in text
    assert address_path({RUNTIME_VARIABLE: "/own", "XDG_RUNTIME_DIR": "/run/user/1"}, home, "linux") == Path("/own/serve.json")
    assert "| Linux | `$XDG_RUNTIME_DIR/igllm`, or `~/.local/state/igllm` where there is none |" in text
    assert address_path({"XDG_RUNTIME_DIR": "/run/user/1"}, home, "linux") == Path("/run/user/1/igllm/serve.json")
    assert address_path({}, home, "linux") == home / ".local/state/igllm/serve.json"
    assert "| macOS | `~/Library/Caches/igllm` |" in text
    assert address_path({}, home, "darwin") == home / "Library/Caches/igllm/serve.json"
    assert "| Windows | `%LOCALAPPDATA%\\igllm` |" in text
    assert address_path({"LOCALAPPDATA": "/local"}, home, "win32") == Path("/local/igllm/serve.json")


def test_the_methods_are_the_same() -> None:
    headings = re.findall(r"^### `(\w+)`", DOCUMENT, re.MULTILINE)

    assert headings == list(KINDS)


@pytest.mark.parametrize("name", KINDS)
def test_a_message_has_the_fields_of_its_section(name: str) -> None:
    assert fields_in(section(f"`{name}`")) == fields_of(KINDS[name])


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_names_its_result(name: str) -> None:
    (result,) = re.findall(r"Result: `(\w+)`", section(f"`{name}`"))

    assert result in RESULTS


def test_the_vocabulary_has_the_fields_of_its_section() -> None:
    assert fields_in(section("The vocabulary")) == fields_of(Vocabulary)


def test_the_error_codes_are_the_same() -> None:
    rows = re.findall(r"^\| (-?\d+) \| `(\w+)` \|", section("Errors"), re.MULTILINE)

    assert [(name, int(code)) for code, name in rows] == [(item.name, item.value) for item in ErrorCode]


def test_every_annotation_of_a_field_can_be_read_from_json() -> None:
    annotations = {str(item.type) for kind in (*KINDS.values(), Vocabulary) for item in dataclasses.fields(kind)}

    assert annotations <= set(protocol_fields._READERS)
