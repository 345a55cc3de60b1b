# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages survive the wire, and what is no message is refused with the right code."""

from __future__ import annotations

import ast
import io
import json
from pathlib import Path
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from igllm_addon.core import protocol
from igllm_addon.core.errors import ProtocolError
from igllm_addon.core.protocol import (
    Authenticate,
    Authenticated,
    Cancel,
    Done,
    ErrorCode,
    Failure,
    Initialize,
    Initialized,
    Message,
    Predict,
    Prediction,
    Progress,
    Shutdown,
    Statement,
    Unload,
    decode_message,
    encode_message,
    read_messages,
    version_mismatch,
)
from igllm_addon.core.protocol_fields import vocabulary_from_json, vocabulary_to_json
from igllm_addon.core.rendezvous import Address
from igllm_addon.core.vocabulary import CLEVR, Vocabulary

IDS = st.integers(0, 2**53)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
MESSAGES: st.SearchStrategy[Message] = st.one_of(
    st.builds(Authenticate, st.text(), IDS),
    st.builds(Authenticated, IDS, st.text()),
    st.builds(Initialize, st.integers(), st.text(), IDS),
    st.builds(Predict, st.binary(), st.text(), st.just(CLEVR), IDS),
    st.builds(Unload, IDS),
    st.builds(Shutdown, IDS),
    st.builds(Cancel, IDS),
    st.builds(Progress, IDS, st.text(), st.none() | NUMBERS),
    st.builds(Statement, IDS, IDS, st.text(), NUMBERS),
    st.builds(Initialized, IDS, st.integers(), st.text()),
    st.builds(
        Prediction,
        IDS,
        st.text(),
        st.text(),
        st.lists(NUMBERS).map(tuple),
        st.dictionaries(st.text(), NUMBERS).map(MappingProxyType),
    ),
    st.builds(Done, IDS),
    st.builds(Failure, st.none() | IDS, st.integers(), st.text()),
)


@given(MESSAGES)
def test_every_message_comes_back_from_the_wire_as_it_went_in(message: Message) -> None:
    assert decode_message(encode_message(message)) == message


@given(MESSAGES)
def test_a_message_is_one_line_of_ascii(message: Message) -> None:
    line = encode_message(message)

    assert line.isascii()
    assert line.index(b"\n") == len(line) - 1


def test_no_repr_of_a_message_shows_a_secret() -> None:
    shown = repr(Authenticate("hunter2")) + repr(Authenticated(0, "hunter3")) + repr(Address(1, 2, "hunter2", "hunter3"))

    assert "hunter" not in shown


# Everything that a line passes through; what training reads from its own disk is another matter.
WIRE_MODULES = ("serving", "session", "schedule", "loopback", "gate", "address_file", "serve_command", "pictures", "__main__")


def test_neither_side_of_the_wire_knows_how_to_unpickle() -> None:
    package = Path(protocol.__file__).parents[1]
    runner = [package / "model_runner" / f"{name}.py" for name in WIRE_MODULES]
    sources = [*package.glob("core/*.py"), *package.glob("bridge/*.py"), *runner]
    imported = {
        name.split(".")[0]
        for path in sources
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for name in _imported(node)
    }

    assert imported & {"pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "multiprocessing"} == set()


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module or ""] if isinstance(node, ast.ImportFrom) and node.level == 0 else []


@given(st.binary())
def test_any_bytes_are_a_message_or_a_protocol_error(line: bytes) -> None:
    items = list(read_messages(io.BytesIO(line)))

    assert all(isinstance(item, ProtocolError | Message) for item in items)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.sampled_from(["id", "kind", "words", "template", "code"]) | st.text(), inner)
    ),
    max_leaves=8,
)


@given(
    st.dictionaries(st.sampled_from(["id", "method", "params", "result", "error"]), JSON_VALUES),
    st.none() | st.sampled_from([*protocol.REQUESTS, *protocol.NOTIFICATIONS]),
)
def test_any_json_object_is_a_message_or_a_protocol_error(value: dict[str, object], method: str | None) -> None:
    line = json.dumps({"jsonrpc": "2.0", **value} | ({} if method is None else {"method": method})).encode()

    (item,) = read_messages(io.BytesIO(line))

    assert isinstance(item, ProtocolError | Message)


def test_a_vocabulary_travels_whole() -> None:
    vocabulary = Vocabulary(
        template="plane",
        words={"color": ("red", "blue"), "shape": ("square",)},
        synonyms={"color": {"crimson": "red"}},
        location_length=2,
        location_limit=7.5,
        rotation_length=6,
        rotated_shapes=("square",),
        yaw_symmetry_orders={"square": 4},
        object_limit=3,
        required_fields=("color",),
    )

    again = vocabulary_from_json(json.loads(json.dumps(vocabulary_to_json(vocabulary))))

    assert again == vocabulary


def line_of(**fields: object) -> bytes:
    return json.dumps({"jsonrpc": "2.0", **fields}).encode()


PREDICT = {"image": "YWJj", "model": "m", "vocabulary": {"template": "t", "words": {"shape": ["cube"]}}}


@pytest.mark.parametrize(
    ("line", "code", "request_id"),
    [
        (b"Loading checkpoint shards: 50%", ErrorCode.NOT_JSON, None),
        (b"\xff\xfe{", ErrorCode.NOT_JSON, None),
        (b'{"jsonrpc":"2.0","id":1,"method":"cancel","params":{"request_id":NaN}}', ErrorCode.NOT_JSON, None),
        (b"[" * 200_000, ErrorCode.NOT_JSON, None),
        (b"1" * 10_000, ErrorCode.NOT_JSON, None),
        (b"[]", ErrorCode.NOT_A_MESSAGE, None),
        (b'{"jsonrpc":"1.0","id":4,"method":"shutdown"}', ErrorCode.NOT_A_MESSAGE, 4),
        (line_of(id="four", method="shutdown"), ErrorCode.NOT_A_MESSAGE, None),
        (line_of(id=True, method="shutdown"), ErrorCode.NOT_A_MESSAGE, None),
        (line_of(id=4), ErrorCode.NOT_A_MESSAGE, 4),
        (line_of(id=4, result={"kind": "surprise"}), ErrorCode.NOT_A_MESSAGE, 4),
        (line_of(id=4, method="render", params={}), ErrorCode.UNKNOWN_METHOD, 4),
        (line_of(id=4, method=["predict"]), ErrorCode.UNKNOWN_METHOD, 4),
        (line_of(method="predict", params=PREDICT), ErrorCode.UNKNOWN_METHOD, None),
        (line_of(id=4, method="cancel", params={"request_id": 1}), ErrorCode.UNKNOWN_METHOD, 4),
        (line_of(id=4, method="predict", params=[1]), ErrorCode.WRONG_PARAMETERS, 4),
        (line_of(id=4, method="predict", params={"model": "m"}), ErrorCode.WRONG_PARAMETERS, 4),
        (line_of(id=4, method="predict", params=PREDICT | {"image": "not base64!"}), ErrorCode.WRONG_PARAMETERS, 4),
        (line_of(id=4, method="predict", params=PREDICT | {"image": "YWJ\u00e9"}), ErrorCode.WRONG_PARAMETERS, 4),
        (line_of(id=4, method="predict", params=PREDICT | {"vocabulary": {"template": "t"}}), ErrorCode.WRONG_PARAMETERS, 4),
        (line_of(id=4, method="initialize", params={"protocol_version": 1.0, "client": ""}), ErrorCode.WRONG_PARAMETERS, 4),
        (line_of(method="cancel", params={"request_id": True}), ErrorCode.WRONG_PARAMETERS, None),
        (
            line_of(method="progress", params={"request_id": 1, "stage": "s", "fraction": 10**400}),
            ErrorCode.WRONG_PARAMETERS,
            None,
        ),
    ],
)
def test_what_is_no_message_is_refused_with_its_code_and_id(line: bytes, code: ErrorCode, request_id: int | None) -> None:
    with pytest.raises(ProtocolError) as caught:
        decode_message(line)

    assert (caught.value.code, caught.value.request_id) == (code, request_id)
    assert len(str(caught.value)) < 250


def test_a_vocabulary_that_no_template_can_have_is_refused_with_its_reason() -> None:
    words = {"shape": ["it's"]}
    line = line_of(id=4, method="predict", params=PREDICT | {"vocabulary": {"template": "t", "words": words}})

    with pytest.raises(ProtocolError, match="which graphics code cannot quote"):
        decode_message(line)


def test_fields_of_a_later_version_are_ignored() -> None:
    line = line_of(id=1, method="initialize", params={"protocol_version": 9, "client": "new", "languages": ["nl"]}, extra=1)

    assert decode_message(line) == Initialize(9, "new", 1)


def test_messages_of_a_stream_come_in_order_and_garbage_among_them_as_errors() -> None:
    stream = io.BytesIO(encode_message(Done(1)) + b"oops\n\n  \r\n" + encode_message(Done(2)) + encode_message(Done(3)).rstrip())

    items = list(read_messages(stream))

    assert [items[0], *items[2:]] == [Done(1), Done(2), Done(3)]
    assert isinstance(items[1], ProtocolError)


def test_a_line_beyond_the_limit_is_skipped_and_the_next_one_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "MESSAGE_BYTES_LIMIT", 60)
    stream = io.BytesIO(b"x" * 1000 + b"\n" + encode_message(Done(2)))

    too_long, message = read_messages(stream)

    assert isinstance(too_long, ProtocolError)
    assert message == Done(2)


@pytest.mark.parametrize(("client", "runner", "to_update"), [(1, 2, "update the add-on"), (3, 2, "update the model runner")])
def test_a_version_mismatch_says_which_side_is_older(client: int, runner: int, to_update: str) -> None:
    assert to_update in version_mismatch(client, runner)
