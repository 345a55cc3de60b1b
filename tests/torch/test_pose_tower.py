# SPDX-License-Identifier: GPL-3.0-or-later
"""The pose tower, and a whole model with it: what it tells, that it learns, and that programs start from what it tells."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_poses import FIXED, TINY_POSE, TOYS, toy_scenes

from igllm_addon.core.errors import UsageError, WeightsError
from igllm_addon.core.graphics_code import parse
from igllm_addon.core.rotations import matrix_from_euler_extrinsic_xyz
from igllm_addon.core.vocabulary import CLEVR
from igllm_addon.model_runner.augmentation import recoloured
from igllm_addon.model_runner.checkpoint import load_checkpoint, save_checkpoint
from igllm_addon.model_runner.config import GeometryConfig, ModelConfig, config_from_json, config_to_json
from igllm_addon.model_runner.decoder_training import GlimpseSet, decoder_step_loss
from igllm_addon.model_runner.decoding import ProgramWriter
from igllm_addon.model_runner.model import Igllm
from igllm_addon.model_runner.pose_geometry import about_view
from igllm_addon.model_runner.pose_tower import FirstLook, PoseTower
from igllm_addon.model_runner.pose_training import pose_step_loss, true_places
from igllm_addon.model_runner.tower_training import learning_rate_share
from igllm_addon.model_runner.validation import peaks_as_objects
from igllm_addon.model_runner.vision_config import PoseConfig


def tower_with_random_weights(looks: int = 1, rolls: int = 1) -> PoseTower:
    torch.manual_seed(1)
    assert isinstance(TINY_POSE.vision, PoseConfig)
    return PoseTower(replace(TINY_POSE.vision, looks=looks, rolls=rolls), FIXED, TOYS)


def tower_that_corrects(looks: int = 1, rolls: int = 1) -> PoseTower:
    tower = tower_with_random_weights(looks, rolls).requires_grad_(False)
    for parameter in tower.correction.parameters():
        parameter.normal_(0.0, 0.2)
    return tower


def model_of(**decoder: object) -> Igllm:
    torch.manual_seed(2)
    model = Igllm(replace(TINY_POSE, decoder=replace(TINY_POSE.decoder, **decoder))).eval()  # type: ignore[arg-type]
    return model.requires_grad_(False)


def test_true_places_and_depths_lead_back_to_the_locations() -> None:
    scenes, tower = toy_scenes(1, 5), tower_with_random_weights()
    picture, item = torch.nonzero(scenes.exists, as_tuple=True)

    place, log_depth = true_places(tower, scenes, picture, item)
    seen = tower.describe(torch.zeros(5, 3, 48, 48), picture, FirstLook(place, log_depth))

    # An untrained correction is zero, so what was given comes back.
    assert torch.allclose(seen.location, scenes.location[picture, item], atol=1e-5)


def test_a_moved_object_is_told_as_turned_along_with_its_ray() -> None:
    tower = tower_with_random_weights()
    places = FirstLook(torch.tensor([[0.0, 0.0], [0.2, 0.1]]), torch.tensor([1.5, 1.5]))

    seen = tower.describe(torch.zeros(1, 3, 48, 48), torch.tensor([0, 0]), places)

    assert torch.allclose(seen.rotation @ seen.rotation.transpose(1, 2), torch.eye(3).expand(2, 3, 3), atol=1e-5)
    assert not torch.allclose(seen.rotation[0], seen.rotation[1], atol=1e-3)


@pytest.mark.parametrize("shape", [0, 1])
def test_a_shape_answers_for_its_own_rotation(shape: int) -> None:
    tower = tower_with_random_weights()
    with torch.no_grad():
        tower.words["shape"].bias.copy_(torch.tensor([20.0, 0.0] if shape == 0 else [0.0, 20.0]))  # type: ignore[operator]
    pictures, places = torch.rand(1, 3, 48, 48), FirstLook(torch.tensor([[0.0, 0.0]]), torch.tensor([1.5]))

    before = tower.describe(pictures, torch.tensor([0]), places).rotation
    with torch.no_grad():
        tower.turn[2].bias[6:] += 1.0  # type: ignore[index, operator]  # the second shape's answer alone

    after = tower.describe(pictures, torch.tensor([0]), places).rotation
    assert torch.allclose(before, after, atol=1e-5) == (shape == 0)


def test_a_later_look_is_about_the_place_that_the_one_before_found() -> None:
    pictures, picture = torch.rand(1, 3, 48, 48), torch.tensor([0, 0])
    places = FirstLook(torch.tensor([[0.0, 0.0], [0.1, -0.1]]), torch.tensor([1.5, 1.4]))
    tower = tower_that_corrects()

    seen = tower_that_corrects(looks=2).described(pictures, picture, places, torch.ones(len(picture)))

    once = tower.describe(pictures, picture, places)
    twice = tower.describe(pictures, picture, FirstLook(once.place, once.log_depth))
    assert torch.equal(seen.location, twice.location)
    assert torch.equal(seen.rotation, twice.rotation)
    assert not torch.allclose(once.location, twice.location, atol=1e-3)


def test_a_turned_picture_shows_turned_poses_to_a_tower_that_rolls() -> None:
    pictures, picture = torch.rand(1, 3, 48, 48), torch.tensor([0, 0])
    place, log_depth = torch.tensor([[0.05, 0.0], [0.1, -0.1]]), torch.tensor([1.5, 1.4])
    tower = tower_that_corrects(looks=2, rolls=4)

    seen = tower.described(pictures, picture, FirstLook(place, log_depth), torch.ones(2))
    turned_place = torch.stack([-place[:, 1], place[:, 0]], dim=1)
    turned = tower.described(torch.rot90(pictures, 1, (2, 3)), picture, FirstLook(turned_place, log_depth), torch.ones(2))

    turn = tower.world_from_camera @ about_view(torch.tensor([math.pi / 2]))[0] @ tower.world_from_camera.T
    assert torch.allclose(turned.location - tower.origin, (seen.location - tower.origin) @ turn.T, atol=1e-4)
    apart = tower.alike.distance(turned.rotation, turn @ seen.rotation, seen.words["shape"].argmax(dim=1))
    assert float(apart.max()) < 0.01
    assert torch.allclose(turned.words["shape"], seen.words["shape"], atol=1e-4)


def test_a_roll_alone_changes_what_is_said() -> None:
    pictures, picture = torch.rand(1, 3, 48, 48), torch.tensor([0])
    places = FirstLook(torch.tensor([[0.05, 0.0]]), torch.tensor([1.5]))

    one, four = (
        tower_that_corrects(rolls=rolls).described(pictures, picture, places, torch.ones(len(picture))) for rolls in (1, 4)
    )

    assert not torch.allclose(one.location, four.location, atol=1e-3)
    assert torch.allclose(four.rotation @ four.rotation.transpose(1, 2), torch.eye(3), atol=1e-5)
    assert torch.allclose(one.features, four.features, atol=1e-5)


def test_where_hardly_anything_is_one_look_is_enough() -> None:
    pictures, picture = torch.rand(1, 3, 48, 48), torch.tensor([0, 0])
    places = FirstLook(torch.tensor([[0.05, 0.0], [0.1, -0.1]]), torch.tensor([1.5, 1.4]))
    tower = tower_that_corrects(looks=2, rolls=2)

    found = tower.described(pictures, picture, places, torch.tensor([0.02, 0.9]))

    once, often = (tower.described(pictures, picture, places, torch.full((2,), score)) for score in (0.0, 1.0))
    for name in ("location", "rotation"):
        assert torch.equal(getattr(found, name)[0], getattr(once, name)[0])
        assert torch.allclose(getattr(found, name)[1], getattr(often, name)[1], atol=1e-5)
        assert not torch.allclose(getattr(once, name)[1], getattr(often, name)[1], atol=1e-3)


def test_the_decoder_learns_from_single_looks_and_writes_from_all(monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_of()
    assert isinstance(model.tower, PoseTower)
    model.tower.config = replace(model.tower.config, looks=2, rolls=2)
    looks: list[int] = []
    original = PoseTower.describe
    monkeypatch.setattr(PoseTower, "describe", lambda *arguments: looks.append(1) or original(*arguments))

    GlimpseSet(model, toy_scenes(1, 3), 1, 1)
    assert len(looks) == 1
    model.tower.heat.bias.data.fill_(4.0)  # so that something is likely there
    model.look(torch.rand(1, 3, 48, 48))

    assert len(looks) == 1 + 3  # once for every peak, then twice for the likely ones
    assert (model.tower.config.looks, model.tower.config.rolls) == (2, 2)


def test_other_numbers_of_looks_and_rolls_are_refused() -> None:
    with pytest.raises(WeightsError, match="3 rolls; expected 1, 2 or 4"):
        tower_with_random_weights(rolls=3)
    with pytest.raises(WeightsError, match="0 looks; expected 1 to 8"):
        tower_with_random_weights(looks=0)


def test_recoloured_pictures_change_hues_and_nothing_else() -> None:
    pictures = torch.rand(200, 3, 4, 5)

    found = recoloured(pictures, 0.5)

    assert torch.allclose(found.sum(dim=1), pictures.sum(dim=1), atol=1e-6)
    same = (found == pictures).flatten(1).all(dim=1).float().mean()
    assert 0.45 < float(same) < 0.75  # half of them, and every sixth order of three is the old one
    assert torch.equal(recoloured(pictures, 0.0), pictures)


def test_the_finding_network_can_be_left_as_it_is() -> None:
    tower, scenes = tower_with_random_weights(), toy_scenes(3, 4)

    parts = pose_step_loss(tower, scenes, np.random.default_rng(1), augment=False, first_look=False)
    parts["loss"].backward()

    learnt = {name.partition(".")[0] for name, parameter in tower.named_parameters() if parameter.grad is not None}
    assert learnt == {"crop", "words", "turn", "correction"}


def test_the_rows_of_a_rotation_count_where_they_are_given_a_weight() -> None:
    tower, scenes = tower_with_random_weights(), toy_scenes(3, 4)
    with torch.no_grad():
        usual, weighed = (
            pose_step_loss(tower, scenes, np.random.default_rng(1), augment=False, loss_weights=weights)
            for weights in ({}, {"rows": 2.0, "heat": 0.0})
        )

    assert float(usual["rows"]) > 0.0
    added = 2.0 * float(usual["rows"]) - 0.5 * float(usual["heat"])
    assert float(weighed["loss"] - usual["loss"]) == pytest.approx(added, rel=1e-3)


def test_weights_of_parts_that_are_none_are_refused_whatever_learns() -> None:
    tower, scenes = tower_with_random_weights(), toy_scenes(3, 2)

    pose_step_loss(tower, scenes, np.random.default_rng(1), augment=False, first_look=False, loss_weights={"heat": 1.0})
    with pytest.raises(UsageError, match="loss_weights names 'yaw'; the parts of this loss are heat, offset, depth, place, "):
        pose_step_loss(tower, scenes, np.random.default_rng(1), augment=False, loss_weights={"yaw": 1.0})


def test_the_tower_learns_where_a_toy_is_and_how_it_is_turned() -> None:
    tower, scenes = tower_with_random_weights(), toy_scenes(3, 8)
    optimizer = torch.optim.AdamW(tower.parameters(), lr=3e-3)
    losses = []

    for step in range(80):
        optimizer.param_groups[0]["lr"] = 3e-3 * learning_rate_share(step, 80, 10)
        parts = pose_step_loss(tower, scenes, np.random.default_rng(step), augment=False)
        optimizer.zero_grad()
        parts["loss"].backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append({name: float(value.detach()) for name, value in parts.items()})

    assert losses[-1]["rotation"] < 0.3 * losses[0]["rotation"]
    assert losses[-1]["depth"] < 0.5 * losses[0]["depth"]
    assert losses[-1]["shape"] < 0.8 * losses[0]["shape"]


@pytest.mark.parametrize("head", ["tanh_mlp_gelu", "none"])
@pytest.mark.parametrize("rotation", ["euler", "euler_int", "aa", "6d", "symmetric"])
def test_a_model_writes_valid_programs_in_every_encoding(rotation: str, head: str) -> None:
    model = model_of(rotation=rotation, numeric_head=head, pointer=head != "none")

    glimpse = model.look(toy_scenes(4, 1).images.permute(0, 3, 1, 2) / 255.0)
    text = "".join(statement.text for statement in ProgramWriter(model, glimpse).statements())

    assert parse(text, TOYS).error is None


@pytest.mark.parametrize("rotation", ["euler", "euler_int", "aa", "6d", "symmetric"])
def test_what_the_tower_tells_of_a_rotation_is_where_its_numbers_start(rotation: str) -> None:
    model = model_of(rotation=rotation)
    told = toy_scenes(5, 1).rotation[0, :1]

    start = model.rotation_start(told, ["jack_plain"])

    written = model.quantities.encoding.decode(start[0].tolist(), "jack_plain")
    assert np.allclose(matrix_from_euler_extrinsic_xyz(written), told.reshape(3, 3).numpy(), atol=1e-3)


@pytest.mark.parametrize("rotation", ["euler", "aa", "6d", "symmetric"])
def test_the_decoders_loss_is_finite_and_small_offsets_suffice(rotation: str) -> None:
    model, scenes = model_of(rotation=rotation).requires_grad_(True), toy_scenes(6, 6)
    seen = GlimpseSet(model, scenes, 1, 1)
    picture = torch.arange(6)
    exact = seen.glimpse.rotation.clone()
    exact[picture, :] = scenes.rotation[:, :1]  # as if the tower were right
    glimpse = replace(seen.glimpse, rotation=exact)

    parts = decoder_step_loss(model, glimpse, seen.scenes, torch.zeros_like(seen.peaks).where(scenes.exists, -1))

    assert all(torch.isfinite(value) for value in parts.values())
    # The head starts at zero, and the label is the way to write the rotation that lies nearest to what the tower tells.
    assert float(parts["rotation"].detach()) < 1e-4


def test_high_peaks_are_the_objects_that_the_tower_sees() -> None:
    model = model_of()
    glimpse = model.look(toy_scenes(7, 1).images.permute(0, 3, 1, 2) / 255.0)
    glimpse.score[0] = torch.tensor([0.9, 0.1, 0.2])
    glimpse.rotation[0, 0] = torch.eye(3).flatten()

    objects, confidences = peaks_as_objects(model, glimpse, 0)

    assert len(objects) == 1
    assert objects[0].rotation == (0.0, 0.0, 0.0)
    assert objects[0].shape in TOYS.words["shape"]
    assert 0.0 < confidences[0] <= 0.9


def test_a_checkpoint_keeps_the_tower_the_camera_and_the_symmetries(tmp_path: Path) -> None:
    model = model_of()
    picture = toy_scenes(8, 1).images.permute(0, 3, 1, 2) / 255.0

    save_checkpoint(tmp_path, model)
    loaded = load_checkpoint(tmp_path)

    assert loaded.config == model.config
    assert dict(loaded.config.vocabulary.symmetries) == {"jack_paired": ((0.0, 0.0, 1.0, 2),)}
    assert torch.allclose(loaded.look(picture).location, model.look(picture).location, atol=5e-3)


def test_a_config_reads_back_what_it_wrote() -> None:
    assert config_from_json(config_to_json(TINY_POSE), "here") == TINY_POSE


def test_a_fixed_camera_is_not_written_and_a_pose_tower_needs_one() -> None:
    with pytest.raises(WeightsError, match='"camera" of the decoder to false'):
        replace(TINY_POSE, decoder=replace(TINY_POSE.decoder, camera=True))
    moving = GeometryConfig(0.0, 0.5, 11.0, 35.0, 32.0, {"large": 0.7, "small": 0.35})
    with pytest.raises(WeightsError, match="needs a FixedCamera"):
        ModelConfig("x", CLEVR, moving, TINY_POSE.vision, TINY_POSE.decoder)
