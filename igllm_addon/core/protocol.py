# SPDX-License-Identifier: GPL-3.0-or-later
"""The messages between Blender and the model runner: one closed set, imported by both ends. No bpy, no torch, no file system.

JSON-RPC 2.0, one JSON object per line of UTF-8. docs/protocol.md is the authority; a test compares it with this module.
A message is a frozen dataclass, and the annotation of each field says how it is written: a Vocabulary as an object, bytes
in base64. A receiver ignores fields that it does not know, so that the handshake works between versions.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from reprlib import repr as repr_short
from types import MappingProxyType
from typing import Any, BinaryIO, NoReturn

from .errors import ProtocolError, SceneError
from .protocol_fields import field_from_json, field_to_json
from .vocabulary import Vocabulary

PROTOCOL_VERSION = 2
PICTURE_BYTES_LIMIT = 64 * 1024 * 1024
MESSAGE_BYTES_LIMIT = 96 * 1024 * 1024  # a picture at its limit takes 4/3 as much in base64; the rest is a vocabulary


class ErrorCode(IntEnum):
    """Negative codes are JSON-RPC's own, positive ones are the runner's."""

    NOT_JSON = -32700
    NOT_A_MESSAGE = -32600
    UNKNOWN_METHOD = -32601
    WRONG_PARAMETERS = -32602
    INTERNAL = -32603
    VERSION_MISMATCH = 1
    NOT_INITIALIZED = 2
    UNUSABLE_PICTURE = 3
    UNUSABLE_WEIGHTS = 4
    UNUSABLE_VOCABULARY = 5
    OUT_OF_MEMORY = 6
    CANCELLED = 7
    BUSY = 8
    MISSING_PACKAGE = 9


@dataclass(frozen=True, slots=True)
class Authenticate:
    """The first line on a loopback connection, before the handshake. token: from the runner's address file, see rendezvous.py;
    kept out of every repr, so that no log can show it."""

    token: str = field(repr=False)
    id: int = 0


@dataclass(frozen=True, slots=True)
class Initialize:
    """The first request. client: who asks, for the log."""

    protocol_version: int
    client: str
    id: int = 0


@dataclass(frozen=True, slots=True)
class Predict:
    """A picture (the bytes of a PNG or JPEG file) to graphics code. model: a shipped model's name, or the absolute path of a
    folder with a checkpoint. vocabulary: what the code may say."""

    image: bytes
    model: str
    vocabulary: Vocabulary
    id: int = 0


@dataclass(frozen=True, slots=True)
class Unload:
    """Forget the loaded model and give its memory back; the next Predict loads again."""

    id: int = 0


@dataclass(frozen=True, slots=True)
class Shutdown:
    """End once this is answered; requests that came before are answered first. A runner that serves several clients ends this
    one's connection alone."""

    id: int = 0


@dataclass(frozen=True, slots=True)
class Cancel:
    """Stop the request, which fails with CANCELLED at once, unless its answer is already on the way."""

    request_id: int


@dataclass(frozen=True, slots=True)
class Progress:
    """What a request is about to do. stage: a few words for people. fraction: of the whole job that is done, 0 to 1, or None
    where the runner cannot tell."""

    request_id: int
    stage: str
    fraction: float | None


@dataclass(frozen=True, slots=True)
class Statement:
    """One line of graphics code, as soon as it is decoded. index: counts from 0. text: with its newline, so that the texts
    joined are the result's code. confidence: 0 to 1, that the statement describes an object of the picture."""

    request_id: int
    index: int
    text: str
    confidence: float


@dataclass(frozen=True, slots=True)
class Authenticated:
    """The token was right. proof: from the address file too, which tells the client that nobody else listens at that port."""

    id: int
    proof: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Initialized:
    """The handshake's result. runner: versions of what runs there, for the log."""

    id: int
    protocol_version: int
    runner: str


@dataclass(frozen=True, slots=True)
class Prediction:
    """Predict's result. confidences: of the objects, in the order of their statements. seconds: stage -> time taken."""

    id: int
    model: str
    code: str
    confidences: tuple[float, ...]
    seconds: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Done:
    """The result of Unload and Shutdown."""

    id: int


@dataclass(frozen=True, slots=True)
class Failure:
    """A request that ends without a result. id is None where the request's own could not be read. code: an ErrorCode, or what
    a newer runner says. message: one sentence for people."""

    id: int | None
    code: int
    message: str


Request = Authenticate | Initialize | Predict | Unload | Shutdown
Notification = Cancel | Progress | Statement
Result = Authenticated | Initialized | Prediction | Done
Message = Request | Notification | Result | Failure

REQUESTS: Mapping[str, type[Any]] = MappingProxyType(
    {"authenticate": Authenticate, "initialize": Initialize, "predict": Predict, "unload": Unload, "shutdown": Shutdown}
)
NOTIFICATIONS: Mapping[str, type[Any]] = MappingProxyType({"cancel": Cancel, "progress": Progress, "statement": Statement})
# A JSON-RPC result does not name its method; `kind` inside of it does, so that a line can be read without knowing the request.
RESULTS: Mapping[str, type[Any]] = MappingProxyType(
    {"authenticated": Authenticated, "initialized": Initialized, "prediction": Prediction, "done": Done}
)
_NAMES = {kind: name for table in (REQUESTS, NOTIFICATIONS, RESULTS) for name, kind in table.items()}


def encode_message(message: Message) -> bytes:
    """The message as one line. It is ASCII, so that nothing in it can look like the end of a line."""
    value: dict[str, Any] = {"jsonrpc": "2.0"}
    if isinstance(message, Failure):
        value |= {"id": message.id, "error": {"code": int(message.code), "message": message.message}}
    elif isinstance(message, Authenticated | Initialized | Prediction | Done):
        value |= {"id": message.id, "result": {"kind": _NAMES[type(message)], **_fields_to_json(message)}}
    else:
        if not isinstance(message, Cancel | Progress | Statement):
            value["id"] = message.id
        value |= {"method": _NAMES[type(message)], "params": _fields_to_json(message)}
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode("ascii") + b"\n"


def decode_message(line: bytes) -> Message:
    """The message that one line holds; anything else raises a ProtocolError."""
    value = _json_object(line)
    request_id = value.get("id")
    if request_id is not None and (isinstance(request_id, bool) or not isinstance(request_id, int)):
        raise ProtocolError(f"A message's id must be a whole number, got {repr_short(request_id)}.", ErrorCode.NOT_A_MESSAGE)
    if value.get("jsonrpc") != "2.0":
        raise ProtocolError(f'A message needs "jsonrpc": "2.0", got {repr_short(value)}.', ErrorCode.NOT_A_MESSAGE, request_id)
    if "method" in value:
        return _decode_call(value, request_id)
    if "error" in value:
        error = _as_object(value["error"], "error", request_id)
        return Failure(
            request_id, *(_field(error, name, kind, request_id) for name, kind in (("code", "int"), ("message", "str")))
        )
    if "result" in value and request_id is not None:
        result = _as_object(value["result"], "result", request_id)
        kind = RESULTS.get(str(result.get("kind")))
        if kind is not None:
            return _decode_fields(kind, result, request_id)
    raise ProtocolError(
        f"A message needs a method, a known result or an error, got {repr_short(value)}.", ErrorCode.NOT_A_MESSAGE, request_id
    )


def read_messages(stream: BinaryIO) -> Iterator[Message | ProtocolError]:
    """The messages of a byte stream until it ends, each as soon as its line is complete. A line that is none comes as the
    error, and the next line is read; a line beyond the limit is skipped without being held in memory."""
    while line := stream.readline(MESSAGE_BYTES_LIMIT + 1):
        if len(line) > MESSAGE_BYTES_LIMIT:
            while line and not line.endswith(b"\n"):
                line = stream.readline(1024 * 1024)
            yield ProtocolError(f"A line is longer than {MESSAGE_BYTES_LIMIT} bytes.", ErrorCode.NOT_A_MESSAGE)
            continue
        if line.isspace():
            continue
        try:
            message: Message | ProtocolError = decode_message(line)
        except ProtocolError as error:
            message = error.with_traceback(None)
        yield message


def version_mismatch(of_the_client: int, of_the_runner: int) -> str:
    """What either end says when the versions differ."""
    older = "the add-on" if of_the_client < of_the_runner else "the model runner"
    return (
        f"The add-on speaks version {of_the_client} of the runner's protocol and the model runner version {of_the_runner};"
        f" update {older}, so that both come from the same release."
    )


def _fields_to_json(message: Message) -> dict[str, Any]:
    return {
        item.name: field_to_json(str(item.type), getattr(message, item.name))
        for item in dataclasses.fields(message)
        if item.name != "id"
    }


def _decode_call(value: dict[str, Any], request_id: int | None) -> Message:
    method = value["method"]
    name = method if isinstance(method, str) else ""
    kind = NOTIFICATIONS.get(name) if request_id is None else REQUESTS.get(name)
    if kind is None:
        known = ", ".join(NOTIFICATIONS if request_id is None else REQUESTS)
        what = "notification" if request_id is None else "request"
        raise ProtocolError(f"There is no {what} {repr_short(method)}; known are {known}.", ErrorCode.UNKNOWN_METHOD, request_id)
    return _decode_fields(kind, _as_object(value.get("params", {}), "params", request_id), request_id)


def _decode_fields(kind: type[Any], value: dict[str, Any], request_id: int | None) -> Message:
    arguments: dict[str, Any] = {
        item.name: request_id if item.name == "id" else _field(value, item.name, str(item.type), request_id)
        for item in dataclasses.fields(kind)
    }
    message: Message = kind(**arguments)
    return message


def _json_object(line: bytes) -> dict[str, Any]:
    try:
        value = json.loads(line, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        # A ValueError covers wrong UTF-8, wrong JSON and whole numbers that are too long to be read.
        raise ProtocolError(f"A line is no JSON: {repr_short(line)}.", ErrorCode.NOT_JSON) from None
    if not isinstance(value, dict):
        raise ProtocolError(f"A line must hold a JSON object, got {repr_short(value)}.", ErrorCode.NOT_A_MESSAGE)
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _as_object(value: Any, what: str, request_id: int | None) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ProtocolError(f"{what} must be a JSON object, got {repr_short(value)}.", ErrorCode.WRONG_PARAMETERS, request_id)
    return value


def _field(value: dict[str, Any], name: str, annotation: str, request_id: int | None) -> Any:
    if name not in value:
        raise ProtocolError(f"A message lacks the field {name!r}.", ErrorCode.WRONG_PARAMETERS, request_id)
    try:
        return field_from_json(annotation, value[name])
    except ValueError as error:
        raise ProtocolError(
            f"The field {name!r} must be {error}, got {repr_short(value[name])}.", ErrorCode.WRONG_PARAMETERS, request_id
        ) from None
    except SceneError as error:
        raise ProtocolError(f"The field {name!r} cannot be used: {error}.", ErrorCode.WRONG_PARAMETERS, request_id) from None
