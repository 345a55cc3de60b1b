# SPDX-License-Identifier: GPL-3.0-or-later
"""The model runner's process: speaks docs/protocol.md over stdin and stdout until stdin closes."""

from __future__ import annotations

import argparse
import os
import sys
from typing import BinaryIO


def main(arguments: list[str] | None = None) -> int:
    """Serve until the client says shutdown or is gone."""
    parser = argparse.ArgumentParser(prog="python -m igllm_addon.model_runner", description=__doc__)
    parser.add_argument("--fake", metavar="MODE", help="play a runner without a model, for tests: see fakes.py")
    options = parser.parse_args(arguments)
    reader, writer = take_standard_streams()
    # Imported only now, so that nothing which these modules print at import can get onto the wire.
    from .fakes import FAKE_MODES, fake_server
    from .serving import Server

    if options.fake is None:
        return Server(reader, writer).serve()
    if options.fake not in FAKE_MODES:
        parser.error(f"there is no fake {options.fake!r}; choose one of {', '.join(FAKE_MODES)}")
    return fake_server(options.fake, reader, writer).serve()


def take_standard_streams() -> tuple[BinaryIO, BinaryIO]:
    """The protocol's two streams, on descriptors that nobody else knows. From here on whatever prints, in Python or in native
    code, prints to stderr, and whatever reads standard input finds it empty."""
    reader = os.fdopen(os.dup(0), "rb")
    writer = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    sys.stdout = sys.stderr
    return reader, writer


if __name__ == "__main__":
    status = main()
    sys.stderr.flush()
    # The reading thread may still be waiting for a line, and an interpreter that shuts down around it can abort.
    os._exit(status)
