# SPDX-License-Identifier: GPL-3.0-or-later
"""Passes through a LLaMA against transformers' own: the same hidden states, whatever is fed together."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaForCausalLM

from igllm_addon.core.errors import WeightsError
from igllm_addon.model_runner.llama_steps import LlamaSteps

SIZES = {"vocab_size": 7, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4}
LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 500.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}
TOLERANCE = {"rtol": 1e-4, "atol": 1e-5}


def _llama(**options: Any) -> LlamaForCausalLM:
    torch.manual_seed(0)
    model = LlamaForCausalLM(LlamaConfig(**SIZES, pad_token_id=None, bos_token_id=0, eos_token_id=1, **options)).eval()
    for parameter in model.parameters():
        parameter.data.normal_(0.0, 0.4)
    return model.requires_grad_(False)


def _embedded(seed: int, rows: int, positions: int) -> Tensor:
    return torch.randn(rows, positions, 16, generator=torch.Generator().manual_seed(seed))


def _expected(model: LlamaForCausalLM, embedded: Tensor) -> Tensor:
    hidden: Tensor = model.model(inputs_embeds=embedded).last_hidden_state
    return hidden


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({}, id="plain"),
        pytest.param({"num_key_value_heads": 2}, id="shared keys"),
        pytest.param({"num_key_value_heads": 1, "head_dim": 6}, id="one key, another head width"),
        pytest.param({"attention_bias": True, "mlp_bias": True}, id="biases"),
        pytest.param({"rope_parameters": {"rope_type": "default", "rope_theta": 50.0}}, id="rotation base"),
        pytest.param({"rope_parameters": LLAMA3}, id="llama 3's rotation"),
        pytest.param({"rms_norm_eps": 0.1, "tie_word_embeddings": True, "hidden_act": "gelu"}, id="norm, activation, tied"),
    ],
)
def test_passes_agree_with_transformers(options: dict[str, Any]) -> None:
    model, embedded = _llama(**options), _embedded(1, 2, 70)
    expected = _expected(model, embedded)
    steps = LlamaSteps(model, rows=2)

    parts = [steps.feed(part) for part in embedded.split([5, 1, 1, 3, 60], dim=1)]

    torch.testing.assert_close(torch.cat(parts, dim=1), expected, **TOLERANCE)
    assert steps.passes == 5


def test_rows_of_different_lengths_do_not_see_each_other() -> None:
    model = _llama(num_key_value_heads=2)
    long, short = _embedded(1, 1, 9), _embedded(2, 1, 6)
    steps = LlamaSteps(model, rows=2)
    padded = torch.full((1, 3, 16), 1.0e4)

    first = steps.feed(torch.cat([long[:, :5], torch.cat([short[:, :2], padded], dim=1)]), [5, 2])
    second = steps.feed(torch.cat([torch.cat([long[:, 5:7], padded[:, :2]], dim=1), short[:, 2:]]), [2, 4])
    third = steps.feed(torch.cat([long[:, 7:], _embedded(3, 1, 2)]))

    of_long = torch.cat([first[:1], second[:1, :2], third[:1]], dim=1)
    torch.testing.assert_close(of_long, _expected(model, long), **TOLERANCE)
    torch.testing.assert_close(torch.cat([first[1:, :2], second[1:]], dim=1), _expected(model, short), **TOLERANCE)


def test_the_last_row_takes_the_place_of_one_that_ends() -> None:
    model, embedded = _llama(), _embedded(1, 3, 6)
    expected = _expected(model, embedded)
    steps = LlamaSteps(model, rows=3)
    steps.feed(embedded[:, :4], [1, 2, 4])

    steps.drop(0)

    left = steps.feed(torch.stack([embedded[2, 4:], embedded[1, 2:4]]))
    torch.testing.assert_close(left, torch.stack([expected[2, 4:], expected[1, 2:4]]), **TOLERANCE)
    assert steps.lengths == [6, 4]


def test_what_was_fed_too_soon_is_forgotten() -> None:
    model, embedded = _llama(), _embedded(1, 1, 6)
    steps = LlamaSteps(model, rows=1)
    steps.feed(torch.cat([embedded[:, :3], _embedded(2, 1, 4)], dim=1))

    steps.forget(0, 4)

    torch.testing.assert_close(steps.feed(embedded[:, 3:]), _expected(model, embedded)[:, 3:], **TOLERANCE)


def test_half_precision_stays_half_precision() -> None:
    model, embedded = _llama().to(torch.bfloat16), _embedded(1, 1, 6).to(torch.bfloat16)

    hidden = LlamaSteps(model, rows=1).feed(embedded)

    torch.testing.assert_close(hidden, _expected(model, embedded), rtol=0.1, atol=0.1)


def test_training_goes_on_to_change_the_weights_that_were_joined() -> None:
    model, embedded = _llama(), _embedded(1, 1, 3)
    before = LlamaSteps(model, rows=1).feed(embedded)
    optimizer = torch.optim.SGD(model.requires_grad_(True).parameters(), lr=1.0)

    model.model(inputs_embeds=embedded).last_hidden_state.sum().backward()
    optimizer.step()

    after = LlamaSteps(model, rows=1).feed(embedded)
    torch.testing.assert_close(after, _expected(model, embedded).detach(), **TOLERANCE)
    assert not torch.allclose(after, before)


def test_weights_that_were_put_elsewhere_are_joined_anew() -> None:
    model, embedded = _llama(), _embedded(1, 1, 3)
    LlamaSteps(model, rows=1).feed(embedded)

    model.model.layers[1].mlp.up_proj.weight = nn.Parameter(torch.ones(24, 16), requires_grad=False)

    torch.testing.assert_close(LlamaSteps(model, rows=1).feed(embedded), _expected(model, embedded), **TOLERANCE)


def test_joining_leaves_the_model_as_it_was() -> None:
    model = _llama(num_key_value_heads=2, attention_bias=True)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}

    LlamaSteps(model, rows=1)

    after = model.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())


class _Adapted(nn.Linear):
    """Stands in for a linear layer with an adapter."""

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input) + input.roll(1, -1)[..., :1]


def test_adapters_are_called() -> None:
    model, embedded = _llama(num_key_value_heads=2), _embedded(1, 1, 5)
    adapted = _Adapted(16, 8, bias=False).requires_grad_(False)
    model.model.layers[0].self_attn.v_proj = adapted

    torch.testing.assert_close(LlamaSteps(model, rows=1).feed(embedded), _expected(model, embedded), **TOLERANCE)


def test_a_rotation_that_depends_on_the_length_is_refused() -> None:
    model = _llama(rope_parameters={"rope_type": "dynamic", "rope_theta": 1.0e4, "factor": 2.0})

    with pytest.raises(WeightsError, match="'dynamic'"):
        LlamaSteps(model, rows=1)
