# SPDX-License-Identifier: GPL-3.0-or-later
"""`igllm serve`: its command line. The standard library and core only, until a model is loaded."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from ..core.command_line import SentenceParser
from ..core.errors import UsageError
from ..core.rendezvous import HOST
from .address_file import own_address_path
from .shipped import model_directory, shipped_models

_DESCRIPTION = f"""Keep a model in memory for any number of clients of yours, such as `igllm derender --connect`, until Ctrl-C.
Listens on {HOST} alone and answers nobody without the secret token, which it leaves for its user in a file that only that user
can read; the file's path is printed on stderr. One runner per user."""


def main_serve(arguments: Sequence[str]) -> int:
    """`igllm serve`."""
    parser = SentenceParser(prog="igllm serve", description=_DESCRIPTION, allow_abbrev=False)
    parser.add_argument("--port", metavar="N", type=_port, default=0, help="to listen on (default: any that is free)")
    parser.add_argument(
        "--model", metavar="NAME|DIR", help="loaded at the start (default: the first one that is asked for, when it is)"
    )
    parser.add_argument("--fake", action="store_true", help=argparse.SUPPRESS)  # for tests: a model is one of fakes.py
    options = parser.parse_args(arguments)
    # Imported only now: the help needs nothing but Python, and these need numpy.
    from .fakes import FakePredictor
    from .loopback import LoopbackServer

    if options.fake:
        server = LoopbackServer(own_address_path(), options.port, options.model, FakePredictor)
    else:
        model = None if options.model is None else _name_on_the_wire(options.model)
        server = LoopbackServer(own_address_path(), options.port, model)
    try:
        server.serve()
    except OSError as error:
        if not options.port:
            raise
        raise UsageError(
            f"Port {options.port} cannot be listened on ({error.strerror}); choose another --port, or none."
        ) from error
    return 0


def _name_on_the_wire(name_or_folder: str) -> str:
    """As requests call it, so that the model which is loaded is known to be the one that is asked for."""
    directory = model_directory(name_or_folder)
    return name_or_folder if name_or_folder in shipped_models() else str(directory.resolve())


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1024 <= int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"expected a port between 1024 and 65535, got {text!r}")
    return int(text)
