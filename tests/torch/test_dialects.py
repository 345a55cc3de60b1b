# SPDX-License-Identifier: GPL-3.0-or-later
"""Dialects: what a label is spelled as is text that reads back as the same scene, with every tokenizer."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_bases import write_llama
from tiny_models import TINY, noise_scenes

from igllm_addon.core.errors import WeightsError
from igllm_addon.core.graphics_code import parse
from igllm_addon.core.vocabulary import CLEVR, WORD_FIELDS
from igllm_addon.model_runner.config import BaseConfig
from igllm_addon.model_runner.data import SceneTensors
from igllm_addon.model_runner.dialects import TextDialect, make_dialect
from igllm_addon.model_runner.programs import NOTHING, Variety, numbers_of, programs_of
from igllm_addon.model_runner.spelling import OwnSpelling, PretrainedSpelling

_DIGITS = replace(TINY.decoder, dialect="text", numeric_head="none", pointer=False, camera=False, rotation="euler")


def _dialect(tokenizer: str, folder: Path) -> TextDialect:
    """The text dialect with this tokenizer."""
    if tokenizer in ("pieces", "characters"):
        dialect = make_dialect(CLEVR, replace(_DIGITS, tokenizer=tokenizer))
    else:
        write_llama(folder / "llama")
        if tokenizer == "tokenizer.json":
            (folder / "llama" / "tokenizer.model").unlink()
            _write_byte_level(folder / "llama" / "tokenizer.json")
        dialect = make_dialect(CLEVR, replace(_DIGITS, base=BaseConfig(str(folder / "llama"), number_token="数")))
    assert isinstance(dialect, TextDialect)
    return dialect


def _write_byte_level(path: Path) -> None:
    """A tokenizer of GPT's kind, as later models of the family have it."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    rules = Tokenizer(models.BPE())
    rules.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    rules.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=340, special_tokens=["<s>", "</s>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    rules.train_from_iterator(["数 数 数 数 add(size='large', color='red', material='rubber', loc=(+1.234, -0.567"] * 20, trainer)
    rules.save(str(path))


def _scenes(rng: np.random.Generator) -> SceneTensors:
    """Two scenes of two objects at random, the first of each a cube."""
    scenes = noise_scenes(0, 2)
    scenes.location[:] = torch.from_numpy(rng.uniform(-3.0, 3.0, tuple(scenes.location.shape))).float()
    scenes.words[:, 0, :3] = torch.from_numpy(rng.integers(0, 2, (2, 3)))
    scenes.yaw[:, 0] = float(rng.uniform(-0.7, 0.7))
    return scenes


def _text(dialect: TextDialect, scenes: SceneTensors, row: int, variety: Variety | None) -> str:
    numbers = numbers_of(scenes, dialect, WORD_FIELDS)
    programs = programs_of(scenes, None, dialect, WORD_FIELDS, numbers, variety)
    tokens = [int(token) for token, item in zip(programs.token[row], programs.target[row], strict=True) if item != NOTHING]
    skipped = len(dialect.after_picture) - 1
    assert tuple(programs.token[row, : skipped + 1].tolist()) == dialect.after_picture
    tokens = [*tokens[1:], *(int(token) for token in programs.target[row][programs.target[row] != NOTHING][-1:])]
    assert tokens[-1] == dialect.spelling.end
    return dialect.spelling.read(tokens[:-1])  # type: ignore[attr-defined, no-any-return]


@pytest.mark.parametrize("tokenizer", ["pieces", "characters", "tokenizer.model", "tokenizer.json"])
@pytest.mark.parametrize("varied", [False, True])
def test_a_label_is_spelled_as_text_that_reads_back_as_the_scene(tmp_path: Path, tokenizer: str, varied: bool) -> None:
    dialect = _dialect(tokenizer, tmp_path)
    rng = np.random.default_rng(3)
    scenes = _scenes(rng)

    texts = [_text(dialect, scenes, row, Variety(rng, True, True) if varied else None) for row in range(2)]

    for row, text in enumerate(texts):
        result = parse("```python" + text, CLEVR)
        assert result.error is None
        for item, found in enumerate(result.scene.objects):
            words = [CLEVR.words[name].index(getattr(found, name)) for name in WORD_FIELDS]
            assert words == scenes.words[row, item].tolist()
            assert found.location == pytest.approx(scenes.location[row, item].tolist(), abs=6e-4)
            yaw = float(scenes.yaw[row, item])
            assert found.rotation == (None if math.isnan(yaw) else pytest.approx((yaw,), abs=6e-4))
        assert len(result.scene.objects) == 2


def test_attributes_come_in_another_order_and_under_other_names_when_they_are_to_vary() -> None:
    dialect = _dialect("pieces", Path())
    scenes = _scenes(np.random.default_rng(4))

    texts = {_text(dialect, scenes, 0, Variety(np.random.default_rng(seed), True, True)) for seed in range(20)}

    assert len(texts) == 20
    assert any("'big'" in text or "'tiny'" in text for text in texts)


def test_our_own_tokens_read_back_and_take_whole_pieces() -> None:
    spelling = OwnSpelling(["rubber", "rub", ", size='"])

    tokens = spelling.spell(", size='rubberrub!")

    assert len(tokens) == 4
    assert spelling.read(tokens) == ", size='rubberrub!"
    with pytest.raises(WeightsError, match="printable ASCII"):
        spelling.spell("数")


def test_a_number_token_of_several_tokens_is_refused(tmp_path: Path) -> None:
    write_llama(tmp_path / "llama")

    with pytest.raises(WeightsError, match="set number_token to a single one"):
        PretrainedSpelling(tmp_path / "llama", "number", 1, 2)


def test_a_folder_without_tokenizer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="has no tokenizer"):
        PretrainedSpelling(tmp_path, "数", 1, 2)
