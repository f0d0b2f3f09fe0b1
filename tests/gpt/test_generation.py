"""Generation with a cache and in batches: the same tokens as one text alone, computed from the beginning each time."""

import numpy as np
import pytest
from hypothesis import given

from tests.gpt import generation
from tests.gpt.generation import LONGEST, V, examples, made
from tests.gpt.variants import VARIANTS, model
from tinylm import GPT, Cache, GPTConfig, Recorder, no_grad, use_device, watching
from tinylm.sample import generate, generate_batch, sampling


@given(examples)
def test_unequal_texts_in_unequal_pieces_have_the_logits_of_each_alone(example):
    generation.check_rows_in_pieces(example)


@given(examples)
def test_unequal_texts_in_float32_have_the_logits_of_each_alone(example):
    generation.check_rows_in_pieces(example, np.float32)


@given(examples)
def test_greedy_tokens_are_the_largest_logits_of_the_text_alone(example):
    generation.check_greedy_walk(example)


@given(examples)
def test_greedy_tokens_in_float32_differ_only_where_two_ids_are_within_rounding(example):
    generation.check_greedy_walk(example, np.float32)


@given(examples)
def test_where_every_id_has_a_twin_one_of_the_two_is_taken(example):
    generation.check_greedy_walk(example, np.float32, generation.twins)


@given(examples)
def test_cached_and_uncached_tokens_are_those_of_the_definition(example):
    generation.check_alone(example)


@given(examples)
def test_a_row_of_a_batch_is_what_its_prompt_gives_alone(example):
    generation.check_batch(example)


@given(examples)
def test_a_batch_without_a_cache_gives_the_same(example):
    generation.check_batch(example, use_cache=False)


@pytest.mark.parametrize("variant", ["gpt2", "llama"])
def test_a_batch_on_a_device_gives_what_numpy_gives(variant, device):
    prompts, chosen = [[1, 2, 3], [4], [5, 6, 7, 8, 9]], {"stop": [2], "seed": 3}
    expected = list(generate_batch(made(variant), prompts, LONGEST, **chosen))
    moved = model(variant, seed=1, spread=0.3).to(device)
    with use_device(device):
        assert list(generate_batch(moved, prompts, LONGEST, **chosen)) == expected


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_model_is_its_head_on_its_hidden_features(variant):
    ids = np.array([[1, 2, 3], [4, 5, 6]])
    with no_grad():
        x = made(variant).hidden(ids)
        assert x.shape == (2, 3, 8)
        np.testing.assert_array_equal(made(variant).head(x).numpy(), made(variant)(ids)[0].numpy())


@pytest.mark.parametrize("prompts", [[[1, 2, 3, 4, 5]], [[1, 2, 3, 4, 5], [6]]])
def test_logits_are_computed_for_one_position_of_each_row_only(prompts):
    recorder = Recorder()
    with watching(recorder):
        list(generate_batch(made("gpt2"), prompts, 3, seed=0))
    heads = [step.outputs[0].shape for step in recorder.steps if step.outputs[0].shape[-1] == V]
    assert heads == [(len(prompts), V)] * 3


def test_with_a_cache_every_position_is_computed_once():
    recorder = Recorder()
    with watching(recorder):
        list(generate(made("gpt2"), [1, 2, 3, 4], LONGEST - 4, seed=0))
    looked_up = [step.outputs[0].shape[1] for step in recorder.steps if step.op.name == "embedding"]
    assert looked_up == [4, 1, 1, 1]


def test_equal_prompts_are_read_once():
    recorder = Recorder()
    with watching(recorder):
        list(generate_batch(made("gpt2"), [[1, 2], [3], [1, 2], [1, 2]], 3, seed=1))
    assert [step.outputs[0].shape[:2] for step in recorder.steps if step.op.name == "embedding"][::2] == [
        (2, 2),
        (4, 1),
        (4, 1),
    ]


def test_ended_rows_are_no_longer_computed():
    recorder, gpt = Recorder(), made("gpt2")
    long = next(seed for seed in range(99) if len(list(generate(gpt, [1], 6, stop=[2], seed=seed))) == 6)
    short = next(seed for seed in range(long, 99) if len(list(generate(gpt, [1], 6, stop=[2], seed=seed))) == 3)
    prompts = [[1]] * (short - long + 1)
    with watching(recorder):
        columns = list(generate_batch(gpt, prompts, 6, stop=[2], seed=long))
    rows = [step.outputs[0].shape[0] for step in recorder.steps if step.op.name == "embedding"]
    assert rows == [1] + [sum(i not in (None, 2) for i in column) for column in columns[:-1]]
    assert rows[-1] < rows[1]


def test_a_batch_is_over_when_every_row_has_ended():
    first = [next(generate(made("gpt2"), [i], 1, temperature=0)) for i in (1, 2)]
    assert list(generate_batch(made("gpt2"), [[1], [2]], 50, temperature=0, stop=first)) == [first]
    assert list(generate_batch(made("gpt2"), [], 50)) == []
    assert list(generate_batch(made("gpt2"), [[1]], 0)) == []


def test_among_equal_logits_the_smaller_id_is_taken_by_either_way():
    gpt = GPT(GPTConfig(vocab_size=V, block_size=LONGEST, n_layer=1, n_head=2, n_embd=8, tie_weights=False), seed=0)
    gpt.lm_head.weight.data[:] = 0.0  # all logits are 0, whatever is summed in which order
    for use_cache in (True, False):
        assert list(generate(gpt, [5, 6], 3, temperature=0, use_cache=use_cache)) == [0, 0, 0]
        assert list(generate_batch(gpt, [[5], [6, 7]], 2, temperature=0, use_cache=use_cache)) == [[0, 0]] * 2


def test_generation_puts_back_the_mode_of_every_part():
    gpt = model("gpt2", dropout=0.5)
    gpt.train()
    gpt.h[1].eval()
    modes = [module.training for module in gpt.modules()]
    steps = sampling(gpt, [1], 3, seed=0)
    taken = [next(steps).token]
    assert [module.training for module in gpt.modules()] == modes
    taken += [step.token for step in steps]
    assert taken == list(generate(gpt.eval(), [1], 3, seed=0)), "dropout is off while tokens are made"


@pytest.mark.parametrize(
    ("prompts", "message"),
    [
        ([1, 2], r"takes a list of prompts, \[\[1, 2\], \[3\]\]; for one prompt type generate"),
        (np.array([1, 2]), "takes a list of prompts"),
        ([[1], []], "prompt is empty"),
        ([[1], [V]], f"has id {V}"),
        ([[1] * (LONGEST + 1), [1]], "9 tokens, the model's context is 8"),
    ],
)
def test_wrong_prompts_of_a_batch_are_refused_before_the_first_token(prompts, message):
    with pytest.raises(ValueError, match=message):
        generate_batch(made("gpt2"), prompts, 1)


@pytest.mark.parametrize("lengths", [[2], [2, 2, 3], [3, 0], [2, 4], [2, 2]])
def test_lengths_that_do_not_fit_the_ids_are_refused(lengths):
    cache = Cache(made("gpt2").config, 2)
    with no_grad(), pytest.raises(ValueError, match="lengths must be 2 numbers from 1 to T, the longest 3; got"):
        made("gpt2").hidden([[1, 2, 3]] * 2, cache, lengths)
    assert cache.lengths == [0, 0]
