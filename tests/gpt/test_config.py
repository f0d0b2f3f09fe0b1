"""The model's settings: what they mean, and every bad one refused by name."""

import dataclasses
import json

import numpy as np
import pytest

from tests.gpt.variants import SMALL, VARIANTS
from tinylm import GPT, GPTConfig

GOOD = SMALL | {"n_head": 4}


def test_the_defaults_are_gpt_2s() -> None:
    config = GPTConfig(**SMALL)
    assert (config.norm, config.position, config.mlp) == ("layer", "learned", "gelu")
    assert (config.bias, config.tie_weights, config.dropout, config.norm_eps) == (True, True, 0.0, 1e-5)
    assert (config.head_size, config.kv_heads, config.hidden) == (4, 2, 32)


@pytest.mark.parametrize(
    ("settings", "hidden"),
    [
        ({}, 32),
        ({"mlp": "swiglu"}, 24),  # 8/3 · 8 = 21.3, up to a multiple of 8
        ({"mlp": "swiglu", "n_embd": 24}, 64),
        ({"mlp": "swiglu", "mlp_hidden": 7}, 7),
        ({"mlp_hidden": 1}, 1),
    ],
)
def test_the_hidden_width_follows_from_the_kind(settings, hidden) -> None:
    assert GPTConfig(**(SMALL | settings)).hidden == hidden


WHOLE = ["vocab_size", "block_size", "n_layer", "n_head", "n_embd", "n_kv_head", "mlp_hidden"]


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("value", [0, -1, 2.0, "2", True])
def test_sizes_are_whole_numbers_from_1_up(name, value) -> None:
    with pytest.raises(ValueError, match=f"{name} must be a whole number from 1 up, got {value!r}"):
        GPTConfig(**(GOOD | {name: value}))


@pytest.mark.parametrize("name", WHOLE[:5])
def test_only_some_sizes_may_be_left_open(name) -> None:
    with pytest.raises(ValueError, match=f"{name} must be a whole number from 1 up, got None"):
        GPTConfig(**(GOOD | {name: None}))


@pytest.mark.parametrize("name", ["bias", "tie_weights"])
@pytest.mark.parametrize("value", [0, 1, None, "yes"])
def test_switches_are_true_or_false(name, value) -> None:
    with pytest.raises(ValueError, match=f"{name} must be true or false, got {value!r}"):
        GPTConfig(**(GOOD | {name: value}))


@pytest.mark.parametrize("name", ["dropout", "norm_eps", "rope_base"])
@pytest.mark.parametrize("value", [-0.1, float("nan"), float("inf"), "0.1", None, True])
def test_numbers_are_finite_and_from_0_up(name, value) -> None:
    with pytest.raises(ValueError, match=f"{name} must be a number from 0 up, got {value!r}"):
        GPTConfig(**(GOOD | {name: value}))


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"dropout": 1.0}, "dropout must be below 1, got 1.0"),
        ({"rope_base": 0.0}, "rope_base must be above 0"),
        ({"norm": "batch"}, "norm must be one of layer, rms; got 'batch'"),
        ({"position": "alibi"}, "position must be one of learned, rope; got 'alibi'"),
        ({"mlp": "relu"}, "mlp must be one of gelu, gelu_tanh, swiglu; got 'relu'"),
        ({"n_head": 3}, "n_embd 8 is not divisible by n_head 3"),
        ({"n_kv_head": 3}, "n_head 4 is not divisible by n_kv_head 3"),
        ({"n_kv_head": 8}, "n_head 4 is not divisible by n_kv_head 8"),
        ({"position": "rope", "n_head": 8}, "rope turns pairs: n_embd / n_head must be even, it is 1"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(settings, says) -> None:
    with pytest.raises(ValueError, match=says):
        GPTConfig(**(GOOD | settings))


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_config_becomes_a_dict_and_comes_back(variant) -> None:
    config = GPTConfig(**(SMALL | VARIANTS[variant]))
    assert GPTConfig.from_dict(config.to_dict()) == config
    assert set(config.to_dict()) == {field.name for field in dataclasses.fields(GPTConfig)}


def test_unknown_and_missing_settings_are_named() -> None:
    with pytest.raises(ValueError, match="unknown model setting heads, depth; known are vocab_size, block_size"):
        GPTConfig.from_dict(SMALL | {"heads": 2, "depth": 3})
    with pytest.raises(ValueError, match="missing model setting block_size, n_embd"):
        GPTConfig.from_dict({key: value for key, value in SMALL.items() if key not in ("block_size", "n_embd")})


def test_a_config_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        GPTConfig(**SMALL).n_layer = 3  # type: ignore[misc]


@pytest.mark.parametrize("whole", [np.int64, np.uint16])
def test_whole_numbers_of_numpy_become_pythons(whole) -> None:
    config = GPTConfig(**{name: whole(value) if type(value) is int else value for name, value in GOOD.items()})
    assert config == GPTConfig(**GOOD)
    assert json.loads(json.dumps(config.to_dict())) == config.to_dict()


@pytest.mark.parametrize("seed", [None, 1.5, "0", -1, True])
def test_a_seed_is_a_whole_number_from_0_up(seed) -> None:
    with pytest.raises(ValueError, match=f"seed must be a whole number from 0 up, got {seed!r}"):
        GPT(GPTConfig(**SMALL), seed=seed)
    assert (
        GPT(GPTConfig(**SMALL), seed=np.int64(3)).wte.weight.tolist() == GPT(GPTConfig(**SMALL), 3).wte.weight.tolist()
    )
