# SPDX-License-Identifier: GPL-3.0-or-later
"""IG-LLM's composition from local folders in their public formats: trained, saved, loaded, and asked for a program."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from tiny_bases import FEATURE_WIDTH, PICTURE_PX, picture, write_llama, write_open_clip, write_projector, write_scenes

from igllm_addon.core.errors import UsageError, WeightsError
from igllm_addon.core.graphics_code import parse
from igllm_addon.core.vocabulary import CLEVR
from igllm_addon.model_runner import training
from igllm_addon.model_runner.checkpoint import load_checkpoint, save_checkpoint
from igllm_addon.model_runner.language import has_adapters
from igllm_addon.model_runner.model import Igllm
from igllm_addon.model_runner.open_clip_tower import OpenClipTower
from igllm_addon.model_runner.predictor import Prediction, Predictor
from igllm_addon.model_runner.projectors import load_mm_projector
from igllm_addon.model_runner.training_config import TrainingConfig, read_training_config

_PUBLISHED = Path(__file__).parents[2] / "configs" / "igllm-7b.json"


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a language model, a tower, a projector and scenes."""
    folder = tmp_path_factory.mktemp("parts")
    write_llama(folder / "llama")
    write_open_clip(folder / "clip")
    write_projector(folder / "mm_projector.bin")
    write_scenes(folder / "scenes", 6)
    return folder


def _training_config(parts: Path, out: Path, **decoder: Any) -> TrainingConfig:
    """The published model's config with tiny parts in the places of the published ones, and few steps."""
    value = json.loads(_PUBLISHED.read_text(encoding="utf-8"))
    value["out"] = str(out)
    value["vision"] |= {"weights": str(parts / "clip"), "input_width_px": PICTURE_PX, "feature_width": FEATURE_WIDTH}
    value["decoder"]["base"] |= {"folder": str(parts / "llama"), "lora_rank": 4, "lora_alpha": 8, "dtype": "float32"}
    value["decoder"] |= decoder
    value["projector_start"] = str(parts / "mm_projector.bin")
    value["training"]["decoder"] |= {"data": [str(parts / "scenes")], "steps": 3, "batch": 2, "warmup_steps": 1}
    out.mkdir(parents=True, exist_ok=True)
    (out / "config.json").write_text(json.dumps(value), encoding="utf-8")
    return read_training_config(out / "config.json")


def _answer(folder: Path) -> Prediction:
    *_, last = Predictor.load(folder).predict(Image.open(io.BytesIO(picture(3))))
    assert isinstance(last, Prediction)
    return last


def test_the_published_composition_trains_saves_loads_and_writes_valid_code(parts: Path, tmp_path: Path) -> None:
    config = _training_config(parts, tmp_path / "out")

    trained = training.train_decoder(config, resume=False)

    loaded = load_checkpoint(tmp_path / "out" / "checkpoint")
    pictures = torch.rand(1, 3, 21, 28, generator=torch.Generator().manual_seed(0))
    visual = trained.before_program(trained.visual_embeddings(trained.look(pictures)))
    again = loaded.before_program(loaded.visual_embeddings(loaded.look(pictures)))
    torch.testing.assert_close(again, visual, atol=2e-3, rtol=0.0)
    torch.testing.assert_close(loaded.hidden_states(again), trained.eval().hidden_states(visual), atol=2e-2, rtol=0.0)
    assert parse(_answer(tmp_path / "out" / "checkpoint").code, CLEVR).error is None


def test_a_checkpoint_holds_adapters_projector_and_head_and_names_the_rest(parts: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    config = _training_config(parts, tmp_path / "out")

    save_checkpoint(tmp_path / "saved", Igllm(config.model))

    names = set(load_file(tmp_path / "saved" / "model.safetensors"))
    assert {name.split(".")[0] for name in names} == {"projector", "language_model", "numeric_heads"}
    assert all("lora_" in name for name in names if name.startswith("language_model."))
    saved = json.loads((tmp_path / "saved" / "config.json").read_text(encoding="utf-8"))
    assert saved["decoder"]["base"]["folder"] == str(parts / "llama")
    assert len(saved["decoder"]["base"]["config_sha256"]) == len(saved["vision"]["config_sha256"]) == 64
    assert saved["decoder"]["width"] == 32


def test_training_changes_adapters_projector_and_head_and_nothing_else(parts: Path, tmp_path: Path) -> None:
    config = _training_config(parts, tmp_path / "out")
    before = dict(Igllm(config.model).named_parameters())

    trained = training.train_decoder(config, resume=False)

    learning = {name for name, parameter in trained.named_parameters() if parameter.requires_grad}
    changed = {name for name, value in trained.named_parameters() if not torch.equal(value, before[name])}
    assert changed <= learning
    assert {"projector.weight", "numeric_heads.number.layers.3.weight"} <= changed
    assert not [name for name in learning if name.startswith(("tower.", "language_model.")) and "lora_" not in name]
    linear = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
    assert all(any(f"{name}.lora_A" in one for one in learning) for name in linear)
    assert not [name for name in learning if "lm_head" in name]


def test_loading_merges_adapters_without_changing_what_they_do(parts: Path, tmp_path: Path) -> None:
    model = Igllm(_training_config(parts, tmp_path / "out").model).eval()
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            parameter.data.normal_(0.0, 0.1)
    save_checkpoint(tmp_path / "saved", model)
    embedded = torch.randn(1, 5, 32, generator=torch.Generator().manual_seed(1))

    loaded = load_checkpoint(tmp_path / "saved")

    assert not has_adapters(loaded.language_model)
    torch.testing.assert_close(loaded.hidden_states(embedded), model.hidden_states(embedded), atol=2e-2, rtol=0.0)
    with pytest.raises(WeightsError, match="merged"):
        save_checkpoint(tmp_path / "again", loaded)


def test_a_language_model_in_torch_shards_is_the_same_as_in_safetensors(parts: Path, tmp_path: Path) -> None:
    write_llama(tmp_path / "llama", shards=True)
    config = _training_config(parts, tmp_path / "out")
    base = config.model.decoder.base
    assert base is not None
    from dataclasses import replace

    other = replace(config.model.decoder, base=replace(base, folder=str(tmp_path / "llama"), config_sha256=""))

    sharded = Igllm(replace(config.model, decoder=other))

    whole = Igllm(config.model)
    name = "language_model.model.layers.1.mlp.up_proj.base_layer.weight"
    assert torch.equal(dict(sharded.named_parameters())[name], dict(whole.named_parameters())[name])


@pytest.mark.parametrize("part", ["llama", "clip"])
def test_a_part_that_is_missing_is_named_with_what_to_do(parts: Path, tmp_path: Path, part: str) -> None:
    save_checkpoint(tmp_path / "saved", Igllm(_training_config(parts, tmp_path / "out").model))
    text = (tmp_path / "saved" / "config.json").read_text(encoding="utf-8")
    (tmp_path / "saved" / "config.json").write_text(text.replace(str(parts / part), "/nowhere/at/all"), encoding="utf-8")

    with pytest.raises(WeightsError, match=r"builds on is not there: /nowhere/at/all.*put.*there"):
        load_checkpoint(tmp_path / "saved")


def test_another_language_model_in_the_folder_is_refused(parts: Path, tmp_path: Path) -> None:
    write_llama(tmp_path / "llama")
    save_checkpoint(tmp_path / "saved", Igllm(_training_config(parts, tmp_path / "out").model))
    text = (tmp_path / "saved" / "config.json").read_text(encoding="utf-8")
    (tmp_path / "saved" / "config.json").write_text(text.replace(str(parts / "llama"), str(tmp_path / "llama")), encoding="utf-8")
    value = json.loads((tmp_path / "llama" / "config.json").read_text())
    (tmp_path / "llama" / "config.json").write_text(json.dumps(value | {"rope_theta": 5.0}))

    with pytest.raises(WeightsError, match="another language model"):
        load_checkpoint(tmp_path / "saved")


def test_the_tower_gives_the_patches_of_the_hidden_layer_without_the_class_token(parts: Path, tmp_path: Path) -> None:
    config = _training_config(parts, tmp_path / "out")
    tower = Igllm(config.model).tower
    assert isinstance(tower, OpenClipTower)
    seen: list[torch.Tensor] = []
    tower.visual.transformer.resblocks[-2].register_forward_hook(lambda module, inputs, output: seen.append(output))

    patches = tower(torch.rand(2, 3, 21, 28))

    assert patches.shape == (2, 16, FEATURE_WIDTH)
    assert torch.equal(patches, seen[0][:, 1:])


def test_pictures_are_padded_to_a_square_with_the_mean_colour(parts: Path, tmp_path: Path) -> None:
    tower = Igllm(_training_config(parts, tmp_path / "out").model).tower
    assert isinstance(tower, OpenClipTower)

    square = tower.square(torch.ones(1, 3, 14, 28))

    assert square.shape == (1, 3, 28, 28)
    assert square[0, :, :7].abs().max() == 0.0 and square[0, :, 21:].abs().max() == 0.0
    assert square[0, :, 7:21].min() > 1.0


@pytest.mark.parametrize("kind", ["linear", "mlp"])
def test_llavas_projectors_can_be_read(tmp_path: Path, kind: str) -> None:
    from igllm_addon.model_runner.projectors import make_projector

    path = write_projector(tmp_path / "mm_projector.bin", kind)
    projector = make_projector(kind, FEATURE_WIDTH, 32)

    load_mm_projector(projector, path)

    found = torch.load(path, weights_only=True)
    assert all(torch.equal(value, found[f"model.mm_projector.{name}"].float()) for name, value in projector.state_dict().items())


def test_a_projector_of_another_shape_and_a_file_that_is_none_are_refused(tmp_path: Path) -> None:
    path = write_projector(tmp_path / "mm_projector.bin")
    (tmp_path / "text.bin").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")

    with pytest.raises(WeightsError, match="this model needs"):
        load_mm_projector(torch.nn.Linear(3, 4), path)
    with pytest.raises(WeightsError, match="not a projector"):
        load_mm_projector(torch.nn.Linear(3, 4), tmp_path / "text.bin")


def _with_alignment(parts: Path, out: Path) -> TrainingConfig:
    _training_config(parts, out)
    value = json.loads((out / "config.json").read_text(encoding="utf-8"))
    images = out / "pairs" / "images"
    images.mkdir(parents=True)
    (images / "0.png").write_bytes(picture(0))
    (images / "1.png").write_bytes(picture(1))
    turns = [{"from": "human", "value": "<image>\nWhat is it?"}, {"from": "gpt", "value": "a small green sphere"}]
    pairs = [{"image": "0.png", "conversations": turns}, {"image": "1.png", "caption": "a red cube"}]
    (out / "pairs" / "chat.json").write_text(json.dumps(pairs))
    stage = {"data": [str(out / "pairs" / "chat.json")], "steps": 4, "batch": 2, "learning_rate": 0.01, "warmup_steps": 1}
    value["training"]["alignment"] = stage
    (out / "config.json").write_text(json.dumps(value), encoding="utf-8")
    return read_training_config(out / "config.json")


def test_alignment_trains_the_projector_alone_and_the_next_stage_starts_from_it(parts: Path, tmp_path: Path) -> None:
    config = _with_alignment(parts, tmp_path / "out")

    aligned = training.train_alignment(config, resume=False)

    assert [name for name, value in aligned.named_parameters() if value.requires_grad] == ["projector.weight", "projector.bias"]
    written = torch.load(tmp_path / "out" / "mm_projector.bin", weights_only=True)
    started = torch.load(parts / "mm_projector.bin", weights_only=True)
    name = "model.mm_projector.weight"
    assert not torch.allclose(written[name], started[name].float(), atol=1e-4)
    trained = training.train_decoder(config, resume=False)
    # Three steps at 2e-5 move it by less than the four of the alignment did.
    assert torch.allclose(trained.projector.weight, written[name], atol=2e-4)


def test_the_stage_before_alignment_is_asked_for(parts: Path, tmp_path: Path) -> None:
    config = _with_alignment(parts, tmp_path / "out")

    with pytest.raises(UsageError, match="train the stage alignment first"):
        training.train_decoder(config, resume=False)


def test_a_language_model_that_is_fully_trained_is_kept_in_the_checkpoint(parts: Path, tmp_path: Path) -> None:
    config = _training_config(parts, tmp_path / "out")
    from dataclasses import replace

    base = config.model.decoder.base
    assert base is not None
    full = replace(config.model, decoder=replace(config.model.decoder, base=replace(base, training="full")))
    model = Igllm(full).eval()
    with torch.no_grad():
        model.language_model.model.norm.weight.fill_(0.5)

    save_checkpoint(tmp_path / "saved", model)

    assert float(load_checkpoint(tmp_path / "saved").language_model.model.norm.weight.mean()) == 0.5
