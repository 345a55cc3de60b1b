# SPDX-License-Identifier: GPL-3.0-or-later
"""Decoding: no invalid program with any weights, no peak used twice, and the same choices as without a cache."""

from __future__ import annotations

import pytest
import torch
from tiny_models import TINY, noise_pictures, noise_scenes, tiny_model

from igllm_addon.core.errors import WeightsError
from igllm_addon.core.graphics_code import parse, serialize
from igllm_addon.core.vocabulary import CLEVR
from igllm_addon.model_runner import decoder_training
from igllm_addon.model_runner.data import SceneTensors
from igllm_addon.model_runner.decoding import ProgramWriter
from igllm_addon.model_runner.model import Glimpse, Igllm
from igllm_addon.model_runner.program_tokens import ADD, END
from igllm_addon.model_runner.programs import NOTHING, programs_of


def _program(model: Igllm, glimpse: Glimpse) -> str:
    return "".join(statement.text for statement in ProgramWriter(model, glimpse).statements())


@pytest.mark.parametrize("seed", range(20))
def test_programs_of_random_weights_are_valid_and_canonical(seed: int) -> None:
    model = tiny_model(seed, spread=1.0 + seed / 2.0)
    glimpse = model.look(noise_pictures(seed, 10))

    programs = [_program(model, glimpse.take(torch.tensor([row]))) for row in range(10)]

    results = [parse(program, CLEVR) for program in programs]
    assert [result.error for result in results] == [None] * 10
    assert [serialize(result.scene, CLEVR) for result in results] == programs
    assert all(result.scene.camera is not None for result in results)


def test_a_program_ends_when_every_peak_is_used() -> None:
    model = tiny_model(0)
    model.language_model.lm_head.weight.zero_()  # "another object" and "the end" are equally likely, so it goes on

    statements = list(ProgramWriter(model, model.look(noise_pictures(0, 1))).statements())

    assert sum(statement.item is not None for statement in statements) == TINY.decoder.visual_tokens


def test_confidences_are_probabilities() -> None:
    model = tiny_model(1)

    statements = list(ProgramWriter(model, model.look(noise_pictures(1, 1))).statements())

    assert all(0.0 <= statement.confidence <= 1.0 for statement in statements)


def test_weights_that_are_not_finite_are_refused() -> None:
    model = tiny_model(0)
    model.language_model.model.norm.weight.fill_(float("nan"))

    with pytest.raises(WeightsError, match="not finite"):
        list(ProgramWriter(model, model.look(noise_pictures(0, 1))).statements())


def _without_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoder_training, "_CAMERA_NOISE", (0.0, 0.0))
    monkeypatch.setattr(decoder_training, "_LOCATION_NOISE_M", 0.0)
    monkeypatch.setattr(decoder_training, "_YAW_NOISE", 0.0)


def _labels_from(model: Igllm, glimpse: Glimpse) -> tuple[SceneTensors, torch.Tensor]:
    """What the model writes, as a label for itself, and the peaks that it pointed at."""
    statements = list(ProgramWriter(model, glimpse).statements())
    items = [statement.item for statement in statements if statement.item is not None]
    scenes = noise_scenes(0, 1)
    scene = parse("".join(statement.text for statement in statements), CLEVR).scene
    assert scene.camera is not None
    distance = torch.tensor(scene.camera.location).norm()
    scenes.camera.copy_(torch.stack([distance, torch.asin(scene.camera.location[2] / distance)]))
    scenes.exists[:] = torch.arange(scenes.exists.shape[1]) < len(items)
    peaks = torch.full(scenes.exists.shape, NOTHING)
    for index, item in enumerate(items):
        assert item.location is not None
        scenes.location[0, index] = torch.tensor(item.location)
        scenes.words[0, index] = torch.tensor([CLEVR.words[name].index(getattr(item, name)) for name in model.tower.fields])
        scenes.yaw[0, index] = item.rotation[0] if item.rotation else torch.nan
        offsets = (glimpse.location[0, :, :2] - scenes.location[0, index, :2]).norm(dim=1)
        peaks[0, index] = int(offsets.argmin())
    return scenes, peaks


def test_training_sees_the_choices_that_decoding_makes(monkeypatch: pytest.MonkeyPatch) -> None:
    _without_noise(monkeypatch)
    model = tiny_model(11)
    for head in model.numeric_heads.values():
        [parameter.zero_() for parameter in head.parameters()]  # so that a location tells its peak
    model.language_model.lm_head.weight[[ADD, END]] = 0.0  # so that every peak is used
    glimpse = model.look(noise_pictures(11, 1))
    scenes, peaks = _labels_from(model, glimpse)

    programs = programs_of(scenes, peaks, model.tokens, model.tower.fields)
    visual = model.visual_embeddings(glimpse)
    fed = decoder_training._fed_embeddings(model, visual, scenes, programs)
    hidden = model.language_model.model(inputs_embeds=torch.cat([visual, fed], dim=1)).last_hidden_state[:, visual.shape[1] :]
    logits = model.language_model.lm_head(hidden)[0]

    written = [(position, int(token)) for position, token in enumerate(programs.target[0]) if token not in (NOTHING, END)]
    words = [(position, token) for position, token in written if token >= 5]
    ranges = [
        next(model.tokens.word_tokens(f) for f in model.tokens.fields if t in model.tokens.word_tokens(f)) for _, t in words
    ]
    best = [r.start + int(logits[p, r.start : r.stop].argmax()) for (p, _), r in zip(words, ranges, strict=True)]
    assert best == [token for _, token in words]
    assert len(words) == 4 * TINY.decoder.visual_tokens
