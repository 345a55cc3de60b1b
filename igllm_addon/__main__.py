# SPDX-License-Identifier: GPL-3.0-or-later
"""python -m igllm_addon: the igllm command."""

from __future__ import annotations

import sys

from .cli import command

if __name__ == "__main__":
    sys.exit(command())
