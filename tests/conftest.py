# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings for all tests."""

from __future__ import annotations

import os
import signal
import sys

import pytest
from hypothesis import HealthCheck, settings

# A busy machine is no failure, so nothing is timed; and a test run gives the same result every time. New examples are what
# tests/fuzz/fuzz_graphics_code.py looks for.
settings.register_profile("repeatable", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("repeatable")

# A shell that starts the tests in the background has them ignore Ctrl-C, and so would every process that a test starts and
# interrupts. With a handler of our own the children get the system's default back.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """End the process where Blender's module would wait for ever because a test's thread still refers to it; `igllm` does so, too
    (igllm_addon.cli.command)."""
    session = config.pluginmanager.get_plugin("session")
    if "bpy" in sys.modules and session is not None:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(session.exitstatus)
