# SPDX-License-Identifier: GPL-3.0-or-later
"""What all commands of `igllm` share: a parser whose complaint is one sentence. Standard library and core only."""

from __future__ import annotations

import argparse
from typing import NoReturn

from .errors import UsageError


class SentenceParser(argparse.ArgumentParser):
    """An ArgumentParser that raises a UsageError instead of printing its usage and ending the process."""

    def error(self, message: str) -> NoReturn:
        """Called by argparse with what is wrong."""
        raise UsageError(f"{message[:1].upper()}{message[1:]}; `{self.prog} --help` lists what there is.")


def positive(text: str) -> int:
    """A whole number of at least 1, as the `type` of an argument."""
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, got {text!r}")
    return int(text)
