# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a runner that is already running and its clients find each other: one small file per user. No file system here, only
what stands in the file and where it lies; docs/protocol.md says who may read it.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

HOST = "127.0.0.1"  # a number and no name, so that nothing decides what it means
FIRST_LINE_BYTES_LIMIT = 1024
FIRST_LINE_SECONDS_LIMIT = 5.0
ADDRESS_BYTES_LIMIT = 4096
RUNTIME_VARIABLE = "IGLLM_RUNTIME_DIR"


@dataclass(frozen=True, slots=True)
class Address:
    """A runner that listens. pid: its process. port: on HOST. token: what a client shows first. proof: what the runner shows in
    return, before it is told anything else. Neither is in the repr, so that no log can show them."""

    pid: int
    port: int
    token: str = field(repr=False)
    proof: str = field(repr=False)


def address_to_json(address: Address) -> str:
    """The file's text."""
    return json.dumps(dataclasses.asdict(address)) + "\n"


def address_from_json(text: str) -> Address:
    """The address in a file's text; a ValueError where it holds none."""
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError("no JSON object")
    pid, port, token, proof = (value.get(item.name) for item in dataclasses.fields(Address))
    if not (type(pid) is int and type(port) is int and isinstance(token, str) and isinstance(proof, str)):
        raise ValueError("a field is missing or of another type")
    if not (0 < port < 65536 and token and proof):
        raise ValueError("a field is out of its range")
    return Address(pid, port, token, proof)


def address_path(environment: Mapping[str, str], home: Path, platform: str) -> Path:
    """Where the file lies for the user with this environment, on the platform that sys.platform names: in a folder that belongs
    to that user alone, and where there is a choice in one that does not outlive the session."""
    if own := environment.get(RUNTIME_VARIABLE):
        folder = Path(own)
    elif platform == "win32":
        folder = Path(environment.get("LOCALAPPDATA") or home / "AppData" / "Local") / "igllm"
    elif platform == "darwin":
        folder = home / "Library" / "Caches" / "igllm"
    elif runtime := environment.get("XDG_RUNTIME_DIR"):
        folder = Path(runtime) / "igllm"
    else:
        folder = home / ".local" / "state" / "igllm"
    return folder / "serve.json"
