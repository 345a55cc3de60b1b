# SPDX-License-Identifier: GPL-3.0-or-later
"""The runner's own Python is made step by step, from a package index on this machine whose downloads break at first."""

from __future__ import annotations

import base64
import hashlib
import io
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from runner_driver import PATIENCE_S

from igllm_addon.ui.environment import Setup, Step, has_begun, is_ready, missing_or_error, setup_steps
from igllm_addon.ui.python_check import PythonCheck

PACKAGES = ("sturdy", "fragile")
NEWER_PIP = ("--progress-bar", "raw", "--resume-retries", "--retries", "5")


def wheel(name: str) -> bytes:
    """A package of one module."""
    files = {
        f"{name}.py": b"",
        f"{name}-1.0.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n".encode(),
        f"{name}-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = ""
    for path, data in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        record += f"{path},sha256={digest},{len(data)}\n"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, data in {**files, f"{name}-1.0.dist-info/RECORD": record.encode()}.items():
            archive.writestr(path, data)
    return buffer.getvalue()


class Index(ThreadingHTTPServer):
    """Serves both packages; cuts the download of the fragile one while `is_broken`. fetched: the names of whole downloads."""

    is_broken = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.fetched: list[str] = []


class Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        index = self.server
        assert isinstance(index, Index)
        name = self.path.strip("/").split("/")[-1].split("-")[0]
        if self.path.startswith("/simple/"):
            self._send(f'<a href="/files/{name}-1.0-py3-none-any.whl">{name}-1.0-py3-none-any.whl</a>'.encode(), "text/html")
        elif name == "fragile" and index.is_broken:
            self._send(wheel(name)[:100], "application/zip", claimed=len(wheel(name)))
        else:
            index.fetched.append(name)
            self._send(wheel(name), "application/zip")

    def _send(self, data: bytes, kind: str, claimed: int | None = None) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(claimed or len(data)))
        self.end_headers()
        self.wfile.write(data)
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    server = Index()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{server.server_port}/simple/")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    yield server
    server.shutdown()
    server.server_close()


def steps(folder: Path) -> list[Step]:
    """Those of the extension, without the newer pip, which is not on this index, and its options."""
    kept = []
    for step in setup_steps(folder, sys.executable, "GPU", PACKAGES):
        words = [word for word in step.command if word not in NEWER_PIP]
        if step.title != "Updating pip":
            kept.append(Step(step.title, (*words, "--retries", "0") if "pip" in words else tuple(words), step.share))
    return kept


def finished(setup: Setup) -> Setup:
    end = time.monotonic() + PATIENCE_S * 3
    while not setup.is_over:
        setup.step()
        assert time.monotonic() < end
        time.sleep(0.02)
    return setup


def test_a_setup_goes_on_after_a_broken_download_without_fetching_again(tmp_path: Path, index: Index) -> None:
    folder = tmp_path / "runner"
    broken = finished(Setup(folder, steps(folder), tmp_path / "setup.log", PACKAGES))
    begun = has_begun(folder)
    index.is_broken = False

    mended = finished(Setup(folder, steps(folder), tmp_path / "setup.log", PACKAGES))

    assert broken.sentence.startswith("Installing fragile failed: ") and broken.sentence.endswith(
        "the button goes on from there."
    )
    assert 0.0 < broken.fraction < 1.0
    assert begun
    assert (mended.sentence, mended.fraction) == ("", 1.0)
    assert index.fetched == ["sturdy", "fragile"]
    assert "Creating" not in steps(folder)[0].title
    assert not (folder / "downloads").exists()
    assert not is_ready(folder)  # it was made for other packages than the runner's


def test_a_cancelled_setup_says_so_and_leaves_no_process(tmp_path: Path) -> None:
    wait = Step("Waiting", (sys.executable, "-c", "import time; time.sleep(600)"), 1.0)
    setup = Setup(tmp_path / "runner", [wait], None)
    setup.step()
    assert setup._child is not None

    setup.cancel()

    assert setup.is_over and "cancelled" in setup.sentence
    assert setup._child.exit_status_or_none() is not None or setup._child._process.poll() is not None


def test_progress_is_read_off_pips_lines(tmp_path: Path) -> None:
    lines = "print('Progress 50000000 of 200000000', flush=True); import time; time.sleep(600)"
    setup = Setup(tmp_path / "runner", [Step("Installing torch", (sys.executable, "-c", lines), 1.0)], None)
    end = time.monotonic() + PATIENCE_S

    while not setup.detail and time.monotonic() < end:
        setup.step()
        time.sleep(0.02)
    setup.cancel()

    assert (setup.title, setup.detail, setup.fraction) == ("Installing torch", "50 of 200 MB", 0.25)


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "occupied").write_text("")

    setup = finished(Setup(tmp_path / "occupied" / "runner", [Step("Creating the environment", ("true",), 1.0)], None))

    assert "Creating the environment is not possible" in setup.sentence


def test_a_python_is_looked_at_and_what_it_lacks_is_named() -> None:
    check = PythonCheck("/nowhere/python")

    assert check.is_over and "cannot be started" in check.answer
    assert missing_or_error(["noise", 'CHECKED {"python": "3.11", "missing": ["torch"]}']) == ["torch"]
    assert missing_or_error([]) == "That is no working Python (it said nothing); choose another."
