# SPDX-License-Identifier: GPL-3.0-or-later
"""Where learnt models lie, how they are named, and what is refused in the folder of one."""

from __future__ import annotations

from pathlib import Path

import pytest

from igllm_addon.core.errors import UsageError, WeightsError
from igllm_addon.core.model_folders import models_folder
from igllm_addon.learning.card import model_card
from igllm_addon.learning.model_folder import LearningState, ModelFolder
from igllm_addon.learning.plan import Plan
from igllm_addon.model_runner.shipped import headline_figures, learned_models, model_directory

PLAN = Plan("sixdof", minutes=10.0, seed=3, pictures=280, measured=60, tower_steps=785, decoder_steps=300)
STATE = LearningState("/meshes", ("brick", "wedge"), "abc", PLAN)
HOME = Path("/home/ada")


def checkpoint(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"")
    return folder


@pytest.mark.parametrize(
    ("environment", "platform", "expected"),
    [
        ({"IGLLM_MODELS": "/shared/models"}, "linux", "/shared/models"),
        ({"XDG_DATA_HOME": "/data"}, "linux", "/data/igllm/models"),
        ({}, "linux", "/home/ada/.local/share/igllm/models"),
        ({}, "darwin", "/home/ada/Library/Application Support/igllm/models"),
        ({"LOCALAPPDATA": "/users/ada/local"}, "win32", "/users/ada/local/igllm/models"),
    ],
)
def test_every_platform_has_its_place_for_models(environment: dict[str, str], platform: str, expected: str) -> None:
    assert models_folder(environment, HOME, platform).as_posix() == expected


def test_a_learnt_model_goes_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IGLLM_MODELS", str(tmp_path))
    made = checkpoint(tmp_path / "gears" / "checkpoint")
    (tmp_path / "half-done" / "work").mkdir(parents=True)

    assert learned_models() == {"gears": made}
    assert model_directory("gears") == made


def test_the_folder_of_a_learnt_model_stands_for_its_checkpoint(tmp_path: Path) -> None:
    made = checkpoint(tmp_path / "gears" / "checkpoint")

    assert model_directory(str(tmp_path / "gears")) == made
    assert model_directory(str(made)) == made


def test_a_name_that_nothing_has_is_answered_with_the_names_that_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IGLLM_MODELS", str(tmp_path))
    checkpoint(tmp_path / "gears" / "checkpoint")

    with pytest.raises(WeightsError, match="There is no model 'gear'; name one of clevr-small, .*, gears, or"):
        model_directory("gear")


def test_a_state_is_read_as_it_was_written(tmp_path: Path) -> None:
    folder = ModelFolder(tmp_path)
    state = STATE.after(12.5).after(2.5)

    folder.write_state(state)

    assert folder.state_or_none() == state
    assert state.elapsed_s == 15.0


def test_a_state_that_says_nothing_is_named(tmp_path: Path) -> None:
    (tmp_path / "learn.json").write_text("{}")

    with pytest.raises(UsageError, match="learn.json does not tell how far the learning is"):
        ModelFolder(tmp_path).state_or_none()


def test_a_new_learning_leaves_alone_what_is_there(tmp_path: Path) -> None:
    finished, begun, strange = tmp_path / "finished", tmp_path / "begun", tmp_path / "strange"
    checkpoint(finished / "checkpoint")
    begun.mkdir()
    ModelFolder(begun).write_state(STATE)
    strange.mkdir()
    (strange / "thesis.txt").write_text("do not touch")

    with pytest.raises(UsageError, match="holds a finished model; choose another --out"):
        ModelFolder(finished).check_is_free()
    with pytest.raises(UsageError, match="not finished; --resume goes on with it"):
        ModelFolder(begun).check_is_free()
    with pytest.raises(UsageError, match="holds thesis.txt, which no learning made"):
        ModelFolder(strange).check_is_free()
    ModelFolder(tmp_path / "new").check_is_free()


def test_two_runs_do_not_learn_in_one_folder(tmp_path: Path) -> None:
    first, second = ModelFolder(tmp_path), ModelFolder(tmp_path)

    with first.locked(), pytest.raises(UsageError, match="Another run is learning"), second.locked():
        pass


def test_the_card_tells_the_figures_that_the_list_of_models_shows(tmp_path: Path) -> None:
    world = {
        "word_accuracy": {"shape": 0.95},
        "l2_mean_m": 0.0412,
        "count_exact": 1.0,
        "poses": {
            "geodesic_mean_degrees": 34.0,
            "geodesic_median_degrees": 12.34,
            "within_degrees": {"10": 0.4, "30": 0.8},
            "chamfer_mean": None,
            "add_s_mean": 0.05,
        },
    }
    figures = {"model": {"frames": {"world": world}}, "constant": {"frames": {"world": world}}}

    (tmp_path / "MODEL_CARD.md").write_text(model_card("gears", STATE, figures))

    heading, rows = headline_figures(tmp_path)
    assert heading == "the model"
    assert rows[:4] == (
        ("right mesh", "95 %"),
        ("rotation error, median", "12.3°"),
        ("rotation within 30°", "80 %"),
        ("position error, mean", "0.041"),
    )
    assert ("Chamfer distance, mean", "none") in rows


def test_of_several_tables_in_a_card_the_first_is_shown(tmp_path: Path) -> None:
    tables = (
        "`val_ID`:\n\n| | it |\n|---|---|\n| right mesh | 99 % |\n\n`val_OOD`:\n\n| | it |\n|---|---|\n| right mesh | 0 % |\n"
    )
    (tmp_path / "MODEL_CARD.md").write_text(f"# it\n\n| file | bytes |\n|---|---|\n| x | 1 |\n\n## Figures\n\n{tables}")

    assert headline_figures(tmp_path) == ("it", (("right mesh", "99 %"),))
