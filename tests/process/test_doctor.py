# SPDX-License-Identifier: GPL-3.0-or-later
"""igllm doctor and igllm models: what is there, what is missing, and what to do about it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from igllm_addon import cli, doctor
from igllm_addon.core.errors import WeightsError
from igllm_addon.model_runner import shipped

CARD = """# tiny

| file | bytes |
|---|---|
| weights | 7 |

## Figures

On 200 pictures.

| | program | tower |
|---|---|---|
| size | 99 % | 98 % |
| L2 | 0.02 | 0.03 |

More.
"""


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of shipped models with one in it, whose weights are as its config says."""
    monkeypatch.setattr(shipped, "WEIGHTS_FOLDER", tmp_path)
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "model.safetensors").write_bytes(b"weights")
    digest = hashlib.sha256(b"weights").hexdigest()
    (tmp_path / "tiny" / "config.json").write_text(json.dumps({"weights_sha256": digest}))
    (tmp_path / "tiny" / "MODEL_CARD.md").write_text(CARD)
    return tmp_path


def test_models_lists_size_and_the_cards_headline_figures(weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status = cli.main(["models"])

    lines = capsys.readouterr().out.splitlines()
    assert status == 0
    assert lines[0].startswith("tiny  0.0 MB  ")
    assert lines[1:] == ["  program", "    size: 99 %", "    L2: 0.02"]


def test_a_model_without_a_card_is_listed_all_the_same(weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (weights / "tiny" / "MODEL_CARD.md").unlink()

    status = cli.main(["models"])

    assert status == 0
    assert capsys.readouterr().out.splitlines()[1] == "  no figures: its card has none"


def test_models_without_any_is_a_failure_with_a_sentence(weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (weights / "tiny" / "config.json").unlink()

    status = cli.main(["models"])

    assert status == 1
    assert capsys.readouterr().err.startswith("igllm models: No model is in ")


def test_weights_that_are_as_their_config_says_are_right(weights: Path) -> None:
    ((name, found, is_right),) = shipped.weights_states()

    assert (name, is_right) == ("tiny", True)
    assert "sha256" in found


def test_weights_that_changed_are_told(weights: Path) -> None:
    (weights / "tiny" / "model.safetensors").write_bytes(b"other weights")

    ((_, found, is_right),) = shipped.weights_states()

    assert not is_right
    assert "has the sha256" in found


def test_weights_that_are_not_there_are_told(weights: Path) -> None:
    (weights / "tiny" / "model.safetensors").unlink()

    ((_, found, is_right),) = shipped.weights_states()

    assert not is_right
    assert "lacks model.safetensors" in found


def test_a_config_without_a_sha256_is_told(weights: Path) -> None:
    (weights / "tiny" / "config.json").write_text("[]")

    with pytest.raises(WeightsError, match="does not name the sha256"):
        shipped.check_weights(weights / "tiny")


def test_a_package_that_is_there_is_found_with_its_version() -> None:
    finding = doctor._package("numpy")

    assert finding.remedy is None
    assert finding.line().startswith("ok       numpy")


def test_a_package_that_is_missing_comes_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(doctor._PACKAGES, "no_such_package", ("no_such_package.__version__", "no-such-package", "tests"))

    finding = doctor._package("no_such_package")

    assert finding.line().startswith("missing  no_such_package")
    assert "ModuleNotFoundError" in finding.found
    assert "pip install no-such-package" in str(finding.remedy)


def test_the_runner_is_started_and_asked() -> None:
    finding = doctor._runner()

    assert finding.remedy is None
    assert "starts and answers (Python 3." in finding.found


def test_doctor_fails_where_something_is_missing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(doctor, "_PACKAGES", {"no_such_package": ("no_such_package", "no-such-package", "tests")})

    status = cli.main(["doctor"])

    assert status == 1
    assert "missing  no_such_package" in capsys.readouterr().out


def test_doctor_succeeds_where_all_is_there(
    weights: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor, "_PACKAGES", {"numpy": doctor._PACKAGES["numpy"]})

    status = cli.main(["doctor"])

    lines = capsys.readouterr().out.splitlines()
    assert status == 0
    assert [line[:9].strip() for line in lines] == ["ok", "ok", "ok", "ok"]
