# SPDX-License-Identifier: GPL-3.0-or-later
"""Decoding: no invalid program with any weights, no peak used twice, and the same choices as without a cache."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
import torch
from tiny_models import TINY, noise_pictures, noise_scenes, tiny_model

from igllm_addon.core.errors import WeightsError
from igllm_addon.core.graphics_code import parse, serialize
from igllm_addon.core.vocabulary import CLEVR
from igllm_addon.model_runner import decoder_training
from igllm_addon.model_runner.data import SceneTensors
from igllm_addon.model_runner.decoding import ProgramWriter, WrittenStatement
from igllm_addon.model_runner.model import Glimpse, Igllm
from igllm_addon.model_runner.program_tokens import ADD, END
from igllm_addon.model_runner.programs import NOTHING


@pytest.mark.parametrize("seed", range(20))
def test_programs_of_random_weights_are_valid_and_canonical(seed: int) -> None:
    model = tiny_model(seed, spread=1.0 + seed / 2.0)

    written = ProgramWriter(model, model.look(noise_pictures(seed, 50))).programs()

    programs = ["".join(statement.text for statement in statements) for statements in written]
    results = [parse(program, CLEVR) for program in programs]
    assert [result.error for result in results] == [None] * 50
    assert [serialize(result.scene, CLEVR) for result in results] == programs
    assert all(result.scene.camera is not None for result in results)


@pytest.mark.parametrize("seed", [4, 6, 20])
def test_programs_written_together_are_those_written_alone_in_any_order(seed: int) -> None:
    model = tiny_model(seed, spread=1.0)
    glimpse = model.look(noise_pictures(seed, 8))
    order = torch.randperm(8, generator=torch.Generator().manual_seed(seed))

    together = ProgramWriter(model, glimpse.take(order)).programs()

    alone = [list(ProgramWriter(model, glimpse.take(order[[place]])).statements()) for place in range(8)]
    assert [[_words(one) for one in program] for program in together] == [[_words(one) for one in program] for program in alone]
    torch.testing.assert_close(_numbers(together), _numbers(alone), rtol=1e-4, atol=2e-4)
    assert len({len(program) for program in alone}) > 1


def _words(statement: WrittenStatement) -> str:
    return re.sub(r"[-+.e\d]+(?=[,)])", "", statement.text)


def _numbers(programs: list[list[WrittenStatement]]) -> torch.Tensor:
    """Confidences and all numbers of the text."""
    texts = [re.findall(r"[-+.e\d]+(?=[,)])", one.text) for program in programs for one in program]
    confidences = [one.confidence for program in programs for one in program]
    return torch.tensor([float(number) for text in texts for number in text] + confidences)


def test_what_is_foreseen_changes_passes_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_model(4)
    glimpse = model.look(noise_pictures(4, 4))
    guessing = ProgramWriter(model, glimpse)
    guessed = guessing.programs()

    monkeypatch.setattr(model, "told_words", lambda glimpse: {})
    plain = ProgramWriter(model, glimpse)
    without = plain.programs()

    assert [[_words(one) for one in program] for program in guessed] == [[_words(one) for one in program] for program in without]
    torch.testing.assert_close(_numbers(guessed), _numbers(without), rtol=1e-4, atol=2e-4)
    assert guessing.passes < plain.passes


def test_an_object_whose_words_are_foreseen_takes_one_pass_and_one_more_for_a_yaw() -> None:
    model = tiny_model(0)
    model.language_model.lm_head.weight.zero_()  # so that the first word of each field is chosen
    first = {"color": "gray", "size": "large", "material": "rubber", "shape": "cube"}
    for name in first:
        model.tower.words[name][-1].weight.zero_()
        model.tower.words[name][-1].bias.copy_(torch.arange(len(CLEVR.words[name])) * -1.0)
    writer = ProgramWriter(model, model.look(noise_pictures(0, 1)))

    _, *statements = writer.statements()

    assert [statement.item.shape for statement in statements if statement.item is not None] == ["cube"] * 6
    assert writer.passes == 2 + 2 * 6 - 1  # nothing has to see the last yaw


def test_statements_of_several_pictures_are_not_mixed() -> None:
    model = tiny_model(0)

    with pytest.raises(ValueError, match="2 pictures"):
        list(ProgramWriter(model, model.look(noise_pictures(0, 2))).statements())


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


def test_words_start_from_what_the_tower_says_of_the_peak() -> None:
    model = _with_pointer_words(tiny_model(3))
    model.language_model.lm_head.weight.zero_()  # so that the model itself has no opinion
    glimpse = model.look(noise_pictures(3, 2))

    programs = ProgramWriter(model, glimpse).programs()

    told = {name: chances.argmax(dim=2) for name, chances in model.told_words(glimpse).items()}
    for picture, program in enumerate(programs):
        said = sorted(tuple(CLEVR.words[name].index(getattr(one.item, name)) for name in told) for one in program if one.item)
        assert said == sorted(zip(*(best[picture].tolist() for best in told.values()), strict=True))
    assert len({tuple(best[0].tolist()) for best in told.values()}) > 1


def _with_pointer_words(model: Igllm) -> Igllm:
    model.config = replace(model.config, decoder=replace(model.config.decoder, pointer_words=True))
    return model


def test_words_have_no_pointer_where_nothing_points() -> None:
    with pytest.raises(WeightsError, match="pointer_words but no pointer in the dialect"):
        replace(TINY.decoder, pointer=False, pointer_words=True)
    with pytest.raises(WeightsError, match="pointer_words but no pointer in the dialect"):
        replace(TINY.decoder, dialect="text", pointer_words=True)


@pytest.mark.parametrize("pointer_words", [False, True])
def test_training_sees_the_choices_that_decoding_makes(monkeypatch: pytest.MonkeyPatch, pointer_words: bool) -> None:
    _without_noise(monkeypatch)
    model = tiny_model(11)
    if pointer_words:
        _with_pointer_words(model)
    for head in model.numeric_heads.values():
        [parameter.zero_() for parameter in head.parameters()]  # so that a location tells its peak
    model.language_model.lm_head.weight[[ADD, END]] = 0.0  # so that every peak is used
    glimpse = model.look(noise_pictures(11, 1))
    scenes, peaks = _labels_from(model, glimpse)

    batch = decoder_training._prepared(model, glimpse, scenes, peaks, None, torch.device("cpu"))
    visual, programs = model.visual_embeddings(glimpse), batch.programs
    fed = decoder_training._fed_embeddings(model, visual, batch)
    hidden = model.language_model.model(inputs_embeds=torch.cat([visual, fed], dim=1)).last_hidden_state[:, visual.shape[1] :]
    logits = (model.language_model.lm_head(hidden) + decoder_training._word_starts(model, batch))[0]

    written = [(position, int(token)) for position, token in enumerate(programs.target[0]) if token not in (NOTHING, END)]
    words = [(position, token) for position, token in written if token >= 5]
    ranges = [
        next(model.tokens.word_tokens(f) for f in model.tokens.fields if t in model.tokens.word_tokens(f)) for _, t in words
    ]
    best = [r.start + int(logits[p, r.start : r.stop].argmax()) for (p, _), r in zip(words, ranges, strict=True)]
    assert best == [token for _, token in words]
    assert len(words) == 4 * TINY.decoder.visual_tokens
