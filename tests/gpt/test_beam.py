"""Beam search: the texts of a plain search in Python's own numbers, of looking at all texts, and of transformers."""

import functools
import importlib.util
import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.gpt.generation import LONGEST, V, logits_of, made
from tests.gpt.variants import VARIANTS, model
from tinylm import GPT, GPTConfig, Recorder, use_device, watching
from tinylm.beam import beam_search, searching
from tinylm.sample import generate

# Sums of at most 8 logarithms of size up to 10, each from logits that two orders of rounding have: see generation.bound
NEAR = 1e-11

settings = st.fixed_dictionaries(
    {
        "variant": st.sampled_from(list(VARIANTS)),
        "spread": st.sampled_from([0.3, 1.0]),  # at 1.0 some ids are nearly certain
        "prompt": st.lists(st.integers(0, V - 1), min_size=1, max_size=4),
        "new": st.integers(0, 5),
        "beams": st.integers(1, 5),
        "length_penalty": st.sampled_from([0.0, 0.5, 1.0, 2.0, -1.0]),
        "stop": st.sets(st.integers(0, V - 1), max_size=3),
        "forbidden": st.sets(st.integers(0, V - 1), max_size=V),
    }
)


@functools.cache
def spread_out(variant, spread):
    return model(variant, seed=1, spread=spread)


class Forbid:
    """A processor: some ids never come where the text is of even length."""

    name = "forbid"

    def __init__(self, ids):
        self.ids = sorted(ids)

    def __call__(self, logits, ids, start):
        logits = logits.copy()
        if (len(ids) - start) % 2 == 0:
            logits[self.ids] = -np.inf
        return logits


def log_softmax(z):
    total = math.fsum(math.exp(x - max(z)) for x in z)
    return [x - max(z) - math.log(total) for x in z]


def plain(gpt, prompt, new, *, beams, length_penalty, stop, forbidden=()):
    """Beam search by its definition: each text alone, no cache, and no stopping before the last token."""
    living, done = [(0.0, [])], []
    for n in range(1, new + 1):
        found = []
        for place, (before, text) in enumerate(living):
            log_p = log_softmax(logits_of(gpt, prompt + text)[-1].tolist())
            for i in range(len(log_p)):
                if not (i in forbidden and n % 2 == 1):
                    found.append((-(before + log_p[i]), place, i, [*text, i]))
        found.sort()
        done += [(-p / n**length_penalty, text) for p, _, i, text in found[:beams] if i in stop or n == new]
        living = [(-p, text) for p, _, i, text in found[: (1 + len(stop)) * beams] if i not in stop][:beams]
    return sorted(done, key=lambda one: -one[0])[:beams]


@given(settings, st.booleans())
def test_the_texts_are_those_of_the_search_without_cache_and_early_end(example, use_cache):
    gpt, forbidden = spread_out(example["variant"], example["spread"]), example["forbidden"]
    same = {name: example[name] for name in ("beams", "length_penalty", "stop")}
    wanted = plain(gpt, example["prompt"], example["new"], forbidden=forbidden, **same)
    for n_best in range(1, example["beams"] + 1):
        found = beam_search(
            gpt, example["prompt"], example["new"],
            n_best=n_best, processors=[Forbid(forbidden)], use_cache=use_cache, **same,
        )  # fmt: skip
        assert [one.ids for one in found] == [text for _, text in wanted[:n_best]]
        for one, (score, _) in zip(found, wanted, strict=False):
            assert abs(one.score - score) < NEAR * max(1, abs(score))
            assert one.score == one.log_probability / len(one.ids) ** example["length_penalty"]


def every_text(gpt, prompt, new, stop):
    """(ln p, text) of each text that ends by a stop id or is as long as it may be."""
    for ids in itertools.product(range(gpt.config.vocab_size), repeat=new):
        end = next((n for n, i in enumerate(ids, 1) if i in stop), new)
        if any(ids[end:]):
            continue  # its beginning has come, with zeros behind it
        rows = logits_of(gpt, [*prompt, *ids])[len(prompt) - 1 :]
        yield sum(log_softmax(row.tolist())[i] for row, i in zip(rows, ids[:end], strict=False)), list(ids[:end])


@pytest.mark.parametrize("length_penalty", [0.0, 1.0, 2.0, -1.0])
@pytest.mark.parametrize("stop", [[], [1], [0, 2]])
def test_as_many_beams_as_there_are_texts_find_the_best_of_all_texts(length_penalty, stop):
    gpt = model("gpt2", seed=2, spread=0.5, vocab_size=3)
    wanted = [(p / len(ids) ** length_penalty, ids) for p, ids in every_text(gpt, [2, 0], 4, stop)]
    wanted.sort(reverse=True)
    found = beam_search(gpt, [2, 0], 4, beams=81, n_best=len(wanted), length_penalty=length_penalty, stop=stop)
    assert [one.ids for one in found] == [ids for _, ids in wanted]
    np.testing.assert_allclose([one.score for one in found], [score for score, _ in wanted], rtol=NEAR)


@pytest.mark.parametrize("variant", VARIANTS)
def test_one_beam_is_greedy(variant):
    (found,) = beam_search(made(variant), [1, 2], 6, beams=1)
    assert found.ids == list(generate(made(variant), [1, 2], 6, temperature=0))


def test_among_equals_the_earlier_beam_comes_first_then_the_smaller_id():
    gpt = GPT(GPTConfig(vocab_size=V, block_size=LONGEST, n_layer=1, n_head=2, n_embd=8, tie_weights=False), seed=0)
    gpt.lm_head.weight.data[:] = 0.0  # every id has the same probability
    for use_cache in (True, False):
        first, second = searching(gpt, [5, 6], 2, beams=3, n_best=3, use_cache=use_cache)
        assert [beam.ids for beam in first.beams] == [(0,), (1,), (2,)]
        assert [(beam.ids, beam.parent) for beam in second.candidates] == [((0, 0), 0), ((0, 1), 0), ((0, 2), 0)]
        assert [one.ids for one in second.hypotheses] == [[0, 0], [0, 1], [0, 2]]
    for step in itertools.islice(searching(gpt, [5, 6], 4, beams=60), 1, None):
        order = [(beam.parent, beam.ids[-1]) for beam in step.candidates]
        assert order == sorted(order)
        assert len(order) == 60
    ended_first = beam_search(gpt, [5, 6], 2, beams=12, n_best=11, length_penalty=1.0, stop=[4])
    assert ended_first[0].ids == [4], "ln p / length is the same for all: the one done first stays first"
    assert [one.ids for one in ended_first[1:]] == [[0, i] for i in range(10)]


def test_every_step_shows_where_its_beams_come_from():
    before = [((), 0.0)]
    steps = list(searching(made("llama"), [3], 5, beams=4, stop=[2]))
    for step in steps:
        order = [beam.log_probability for beam in step.candidates]
        assert order == sorted(order, reverse=True)
        assert set(step.beams) <= set(step.candidates)
        for beam in step.candidates:
            ids, log_probability = before[beam.parent]
            assert beam.ids[:-1] == ids
            assert beam.log_probability < log_probability
        before = [(beam.ids, beam.log_probability) for beam in step.beams]
    assert steps[-1].beams == ()
    assert beam_search(made("llama"), [3], 5, beams=4, n_best=4, stop=[2]) == list(steps[-1].hypotheses)


def test_a_step_is_one_pass_and_with_a_cache_of_one_token_a_beam():
    recorder = Recorder()
    with watching(recorder):
        beam_search(made("gpt2"), [1, 2, 3, 4], 4, beams=3)
    looked_up = [step.outputs[0].shape[:2] for step in recorder.steps if step.op.name == "embedding"]
    assert looked_up == [(1, 4), (3, 1), (3, 1), (3, 1)]


@pytest.mark.parametrize("penalty", [0.0, 0.5, 1.0, 2.0, -1.0, -0.3])
def test_the_search_ends_as_soon_as_going_on_could_change_nothing(penalty):
    gpt, new, early = spread_out("gpt2", 1.0), LONGEST, 0
    for prompt in range(V):
        first, second = (one.ids for one in beam_search(gpt, [prompt], 3, beams=2, n_best=2))
        stop, n_best = [first[1], second[2]], 1 + prompt % 3  # likely ids, so that texts are done soon
        steps = list(searching(gpt, [prompt], new, beams=3, n_best=n_best, stop=stop, length_penalty=penalty))
        for n, step in enumerate(steps, 1):
            going_on = [beam for beam in step.candidates if beam.ids[-1] not in stop]
            best = max(beam.log_probability for beam in going_on)
            reachable = max((best / length**penalty for length in range(n + 1, new + 1)), default=-np.inf)
            enough = len(step.hypotheses) >= n_best and step.hypotheses[n_best - 1].score >= reachable
            assert (n == len(steps)) == (enough or n == new)
            assert len(step.beams) == (0 if n == len(steps) else 3)
            assert len(step.hypotheses) <= 3
        wanted = plain(gpt, [prompt], new, beams=3, length_penalty=penalty, stop=set(stop))[:n_best]
        assert [one.ids for one in steps[-1].hypotheses[:n_best]] == [ids for _, ids in wanted]
        early += len(steps) < new
    assert early > 0, "or the test would show nothing"


class Spoils:
    name = "spoils"

    def __init__(self, value):
        self.value = value

    def __call__(self, logits, ids, start):
        return self.value


def test_where_everything_is_forbidden_there_are_fewer_texts():
    assert beam_search(made("gpt2"), [1], 4, processors=[Forbid(range(V))]) == []
    found = beam_search(made("gpt2"), [1], 1, beams=4, n_best=4, processors=[Forbid(range(2, V))])
    assert sorted(one.ids for one in found) == [[0], [1]]
    assert beam_search(made("gpt2"), [1], 0) == []


@pytest.mark.parametrize("value", [np.zeros(V - 1), np.full(V, np.nan), np.full(V, np.inf)])
def test_a_processor_that_gives_back_no_logits_is_named(value):
    with pytest.raises(ValueError, match="'spoils' must give"):
        beam_search(made("gpt2"), [1], 1, processors=[Spoils(value)])


@pytest.mark.parametrize(
    ("ids", "new", "wrong", "message"),
    [
        ([], 1, {}, "prompt is empty"),
        ([V], 1, {}, f"has id {V}"),
        ([1] * 4, LONGEST, {}, "4 tokens and 8 new ones do not fit the model's context of 8"),
        ([1], 1, {"beams": 0}, "beams must be a whole number from 1 up, got 0"),
        ([1], 1, {"n_best": 2.0}, "n_best must be a whole number from 1 up, got 2.0"),
        ([1], 1, {"n_best": 5}, "n_best is 5, but 4 beams find no more than 4 texts; give beams=5"),
        ([1], 1, {"length_penalty": math.nan}, "length_penalty must be from -10 to 10, got nan"),
    ],
)
def test_wrong_settings_are_refused_before_the_first_token(ids, new, wrong, message):
    with pytest.raises(ValueError, match=message):
        searching(made("gpt2"), ids, new, **wrong)


def test_a_search_on_a_device_gives_what_numpy_gives(device):
    wanted = beam_search(made("llama"), [1, 2], 5, n_best=4, stop=[3])
    moved = model("llama", seed=1, spread=0.3).to(device)
    with use_device(device):
        found = beam_search(moved, [1, 2], 5, n_best=4, stop=[3])
    assert [one.ids for one in found] == [one.ids for one in wanted]


@pytest.mark.torch
@pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("torch", "transformers"))), reason="torch or transformers is not installed"
)
@pytest.mark.parametrize("length_penalty", [0.0, 1.0, 2.0, -1.0])
@pytest.mark.parametrize("seed", range(4))
def test_transformers_finds_the_same_texts(seed, length_penalty):
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    size, stop = 30, [3, 7]
    gpt = model("gpt2", seed=seed, spread=0.3, dtype=np.float32, vocab_size=size, block_size=32, mlp="gelu_tanh")
    config = GPT2Config(vocab_size=size, n_positions=32, n_embd=8, n_layer=2, n_head=2, bos_token_id=0, eos_token_id=3)
    twin = GPT2LMHeadModel(config).eval()
    weights = {f"transformer.{name}": torch.tensor(array) for name, array in gpt.state_dict().items()}
    assert twin.load_state_dict(weights, strict=False).missing_keys == ["lm_head.weight"]  # tied
    prompt = torch.tensor([[seed, 11, 5]])
    out = twin.generate(
        prompt, attention_mask=torch.ones_like(prompt), num_beams=5, num_return_sequences=5, max_new_tokens=8,
        length_penalty=length_penalty, early_stopping="never", eos_token_id=stop, pad_token_id=size - 1,
        do_sample=False, return_dict_in_generate=True, output_scores=True,
    )  # fmt: skip
    found = beam_search(gpt, prompt[0], 8, beams=5, n_best=5, length_penalty=length_penalty, stop=stop)
    for one, theirs in zip(found, out.sequences[:, 3:].tolist(), strict=True):
        assert theirs == one.ids + [size - 1] * (len(theirs) - len(one.ids))
    # sums of 8 logarithms in float32, near 20, which the penalty of -1 makes eight times as large: 8 · 20 · 2⁻²³ · √8
    np.testing.assert_allclose([one.score for one in found], out.sequences_scores.tolist(), rtol=1e-5, atol=1e-4)
