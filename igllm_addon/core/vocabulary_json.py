# SPDX-License-Identifier: GPL-3.0-or-later
"""A vocabulary as JSON data and back, without loss: what stands beside a data set. Standard library only."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from .errors import SceneError
from .vocabulary import Vocabulary

_MAPPINGS = ("words", "synonyms", "yaw_symmetry_orders", "symmetries")


def vocabulary_to_json(vocabulary: Vocabulary) -> dict[str, Any]:
    """Plain dictionaries, lists, strings and numbers, ready for json.dumps. What is empty is left out but for the words."""
    value: dict[str, Any] = {field.name: getattr(vocabulary, field.name) for field in fields(Vocabulary)}
    for name in _MAPPINGS:
        value[name] = {key: _plain(entry) for key, entry in value[name].items()}
    if not value["symmetries"]:
        del value["symmetries"]
    return {key: _plain(entry) for key, entry in value.items()}


def vocabulary_from_json(data: Any) -> Vocabulary:
    """What vocabulary_to_json was given; SceneError where the data is no vocabulary."""
    try:
        value = {"words": data["words"], **{key: _tuples(entry) for key, entry in dict(data).items()}}
        for name in _MAPPINGS:
            value[name] = {key: _tuples(entry) for key, entry in dict(data.get(name, {})).items()}
        return Vocabulary(**value)
    except (TypeError, ValueError, AttributeError, KeyError) as error:
        raise SceneError(f"this is no vocabulary as a data set or a checkpoint has it ({error})") from error


def _plain(entry: Any) -> Any:
    if isinstance(entry, tuple):
        return [_plain(item) for item in entry]
    if hasattr(entry, "items"):
        return dict(entry)
    return entry


def _tuples(entry: Any) -> Any:
    return tuple(_tuples(item) for item in entry) if isinstance(entry, list) else entry
