"""Texts from prompts: what a seed promises, how they end, how likely the model finds them, and the best of several."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.gpt.generation import LONGEST, V, made
from tests.gpt.variants import model
from tinylm import GPT, GPTConfig, no_grad, use_device
from tinylm.choose import Choice
from tinylm.sample import (
    Completion,
    ContextError,
    completions,
    generate,
    generate_batch,
    in_float64,
    sampling,
    writing,
)
from tokenizer import CharTokenizer

TOK = CharTokenizer("abcdefghij\n")  # V characters
FEW = CharTokenizer("abcdefg")  # fewer than the model has ids


class Halves:
    """Eleven tokens: the three bytes of a character, and eight letters."""

    def __init__(self):
        self.vocab = dict(enumerate([b"\xe2", b"\x82", b"\xac", *(bytes([97 + i]) for i in range(8))]))

    def decode_bytes(self, ids):
        return b"".join(self.vocab[i] for i in ids)


PROMPTS = st.lists(st.lists(st.integers(0, V - 1), min_size=1, max_size=LONGEST), min_size=1, max_size=3)


def texts(model, tokenizer, prompts, new, **settings):
    return list(completions(model, tokenizer, prompts, new, **settings))


# -- what a seed promises ----------------------------------------------------------------------------------


@given(PROMPTS, st.integers(1, 2), st.integers(1, 7), st.integers(0, 20), st.sampled_from([0.0, 0.8]))
def test_the_seed_gives_the_same_texts_for_every_batch_size(prompts, n, batch_size, seed, temperature):
    model, choice = made("llama"), Choice(temperature, top_k=9)
    found = texts(model, TOK, prompts, 10, n=n, seed=seed, batch_size=batch_size, choice=choice)
    assert [each.prompt for each in found] == [place for place in range(len(prompts)) for _ in range(n)]
    for number, each in enumerate(found):
        wanted = generate(model, prompts[each.prompt], 10, temperature, top_k=9, seed=seed + number)
        assert each.ids == tuple(wanted)
        assert each.text == TOK.decode(each.ids)


def test_the_seed_gives_this_text_on_every_machine():
    """In float64, with weights that are written out here: whatever drew or added otherwise would show."""
    model = GPT(GPTConfig(vocab_size=V, block_size=LONGEST, n_layer=2, n_head=2, n_embd=8), dtype=np.float64)
    for k, (_, p) in enumerate(model.named_parameters()):
        p.data[...] = np.sin(np.arange(p.size) * (k + 1.3) + k).reshape(p.shape)
    found = texts(model, TOK, ["ab", "j"], 12, n=2, seed=5, choice=Choice(1.5, top_p=0.95, repetition_penalty=1.1))
    assert [each.text for each in found] == PINNED


PINNED = ["bhegbhehhbeh", "behhbebehehb", "hbbjeebbehbe", "gbbbeebebehb"]


def test_one_text_at_a_time_is_bitwise_the_same_in_float32():
    model = made("gpt2", np.float32)
    alone = [list(generate(model, [1, 2], 30, seed=3 + i)) for i in range(3)]
    found = texts(model, TOK, [[1, 2]], 30, n=3, seed=3, batch_size=1)
    assert [list(each.ids) for each in found] == alone
    for each, seed in zip(found, (3, 4, 5), strict=True):
        again = [step.logits for step in sampling(model, [1, 2], 30, seed=seed)]
        for logprob, i, row in zip(each.logprobs, each.ids, again, strict=True):
            shifted = row - row.max()
            assert logprob == (shifted - math.log(np.exp(shifted).sum()))[i]


# -- how texts end -----------------------------------------------------------------------------------------


@given(st.integers(0, 200), st.lists(st.text("abcd", min_size=1, max_size=3), max_size=3))
def test_a_stop_string_ends_the_text_before_it_and_the_row_leaves(seed, strings):
    model, prompt = made("gpt2"), [1, 2]
    (each,) = texts(model, TOK, prompt, 12, seed=seed, stop_strings=strings)
    whole = TOK.decode(list(generate(model, prompt, 12, seed=seed)))
    ends = [e for e in range(1, len(whole) + 1) if whole[:e].endswith(tuple(strings))]
    if not ends:
        assert (each.text, each.finish_reason) == (whole, "length")
    else:
        came = max((s for s in strings if whole[: ends[0]].endswith(s)), key=len)
        assert (each.text, each.finish_reason) == (whole[: ends[0] - len(came)], "stop")
        assert len(each.ids) == ends[0], "nothing is drawn after it"


@given(st.integers(0, 200), st.sets(st.integers(0, V - 1), max_size=2), st.sampled_from([1, 4, 6, 20]))
def test_a_text_ends_by_a_stop_id_by_its_length_or_by_the_context(seed, stop, new):
    model, prompt = made("gpt2"), [1, 2, 3]
    begun = [
        letter + "\n" * 9 for letter in "abcdefghij"
    ]  # each letter is held back, and shown at the end all the same
    (each,) = texts(model, TOK, prompt, new, seed=seed, stop=stop, stop_strings=begun, overflow="stop")
    free = list(generate(model, prompt, min(new, LONGEST + 1 - 3), seed=seed))
    first = next((n for n, i in enumerate(free) if i in stop), None)
    assert list(each.ids) == (free if first is None else free[: first + 1])
    assert each.finish_reason == ("stop" if first is not None else "length" if new <= LONGEST - 2 else "context")
    assert each.text == TOK.decode([i for i in each.ids if i not in stop])


def test_pieces_are_whole_characters_and_join_to_the_text():
    model = made("gpt2")
    seen = set()
    for seed in range(30):
        pieces = [p for (p,) in writing(model, Halves(), [[3, 0]], 20, seed=seed, stop_strings=["hh"])]
        ids = [p.id for p in pieces]
        (whole,) = texts(model, Halves(), [[3, 0]], 20, seed=seed, stop_strings=["hh"])
        assert whole == Completion(0, tuple(pieces))
        assert [p.finish_reason is None for p in pieces] == [True] * (len(pieces) - 1) + [False]
        before = Halves().decode_bytes([3, 0])
        data = before + Halves().decode_bytes(ids)
        data = data[: data.index(b"hh")] if pieces[-1].finish_reason == "stop" else data
        assert whole.text == data.decode(errors="replace").removeprefix("a")
        seen.add(pieces[-1].finish_reason)
    assert seen == {"stop", "length"}


def test_rows_that_ended_are_none_from_then_on():
    rows = list(writing(made("gpt2"), TOK, [[1], [2], [3]], 30, seed=2, stop_strings=["a", "b"]))
    for row in range(3):
        column = [pieces[row] for pieces in rows]
        lasting = [piece is not None for piece in column]
        assert lasting == sorted(lasting, reverse=True)
        assert column[sum(lasting) - 1].finish_reason == "stop"


# -- log-probabilities -------------------------------------------------------------------------------------


@given(st.integers(0, 50), st.integers(0, V), st.sampled_from([0.0, 0.7]))
def test_logprobs_are_the_models_own_whatever_the_choice(seed, count, temperature):
    model, prompt = made("gpt2"), [4, 5]
    choice = Choice(temperature, top_k=3, repetition_penalty=1.5, presence_penalty=1.0, bad_words=[[0]])
    (each,) = texts(model, TOK, prompt, 5, seed=seed, choice=choice, logprobs=count)
    with no_grad():
        logits = model([[*prompt, *each.ids]])[0].numpy()[0]
    for place, (i, logprob, top) in enumerate(zip(each.ids, each.logprobs, each.top, strict=True)):
        row = [float(x) for x in logits[place + 1]]
        total = math.log(math.fsum(math.exp(x) for x in row))
        assert logprob == pytest.approx(row[i] - total, abs=1e-9)  # float64, logits below 30
        order = sorted(range(V), key=lambda j: (-row[j], j))[:count]
        assert [a.id for a in top] == order
        assert [a.text for a in top] == [TOK.decode([j]) for j in order]
        assert [a.logprob for a in top] == pytest.approx([row[j] - total for j in order], abs=1e-9)
    assert each.mean_logprob == pytest.approx(sum(each.logprobs) / 5)


@given(st.integers(0, 50), st.integers(1, 2), st.integers(0, 3), st.integers(1, 7))
def test_the_best_are_the_likeliest_of_all_that_were_drawn(seed, n, more, batch_size):
    model, prompts = made("gpt2"), [[1], [2, 3]]
    settings = {"seed": seed, "batch_size": batch_size, "stop_strings": ["a"]}
    drawn = texts(model, TOK, prompts, 6, n=n + more, **settings)
    best = texts(model, TOK, prompts, 6, n=n, best_of=n + more, **settings)
    for place in range(2):
        group = [each for each in drawn if each.prompt == place]
        wanted = sorted(group, key=lambda each: -sum(each.logprobs) / len(each.ids))[:n] if more else group[:n]
        assert [each.ids for each in best if each.prompt == place] == [each.ids for each in wanted]


# -- the rest ----------------------------------------------------------------------------------------------


def test_ids_that_the_tokenizer_lacks_are_never_drawn_but_may_end_a_text():
    drawn = {i for seed in range(20) for i in generate(made("gpt2"), [1], 10, seed=seed)}
    assert drawn - set(FEW.vocab), "the model would draw them"
    found = texts(made("gpt2"), FEW, "a", 10, n=20, seed=0)
    assert {i for each in found for i in each.ids} <= set(FEW.vocab)
    stopped = texts(made("gpt2"), FEW, "a", 30, n=20, seed=0, stop=[9])
    assert any(each.finish_reason == "stop" and each.ids[-1] == 9 for each in stopped)


def test_a_prompt_may_be_text_ids_or_several_and_text_begins_with_the_start():
    model = made("gpt2")
    assert texts(model, TOK, "ab", 4, seed=1) == texts(model, TOK, TOK.encode("ab"), 4, seed=1)
    two = texts(model, TOK, ["ab", np.array([1, 2])], 4, seed=1)
    assert [each.prompt for each in two] == [0, 1]
    (begun,) = texts(model, TOK, "ab", 4, seed=1, start=[7])
    assert begun.ids == tuple(generate(model, [7, *TOK.encode("ab")], 4, seed=1))
    (whole,) = texts(model, TOK, [[1, 2]], 4, seed=1, start=[7])
    assert whole.ids == tuple(generate(model, [1, 2], 4, seed=1)), "ids are taken as they are"
    (none,) = texts(model, TOK, "ab", 0)
    assert (none.text, none.ids, none.finish_reason, none.mean_logprob) == ("", (), "length", 0.0)
    assert texts(model, TOK, [], 3) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n": 0}, "n must be 1 or more"),
        ({"n": 3, "best_of": 2}, "best_of at least n; got n=3, best_of=2"),
        ({"batch_size": 0}, "batch_size must be 1 or more"),
        ({"logprobs": -1}, "logprobs is how many alternatives"),
        ({"stop_strings": "end"}, "a list, as in"),
        ({"prompts": ""}, "prompt is empty"),
        ({"prompts": ["a", [V]]}, f"has id {V}"),
        ({"prompts": "Z"}, "'Z'"),
        ({"choice": Choice(bad_words=[[V]])}, f"bad_words has id {V}; this model's vocabulary is 0 … {V - 1}"),
        ({"overflow": "cut"}, 'overflow must be "slide", "stop" or "error", got \'cut\''),
        ({"overflow": "error", "max_new_tokens": LONGEST}, "a prompt of 2 tokens and 8 new ones do not fit"),
    ],
)
def test_what_cannot_be_is_refused_before_the_first_token(change, message):
    given = {"prompts": "ab", "max_new_tokens": 1, "seed": 0, **change}
    with pytest.raises(ValueError, match=message):
        completions(made("gpt2"), TOK, **given)


# -- the context -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [1, 3, LONGEST])
def test_overflow_is_refused_exactly_where_the_window_would_slide(length):
    prompt, room = [1] * length, LONGEST + 1 - length
    slid = list(generate(made("rope"), prompt, room, seed=1))
    assert list(generate(made("rope"), prompt, room, seed=1, overflow="error")) == slid
    for call in (generate, sampling):
        with pytest.raises(ContextError, match=f"{length} tokens and {room + 1} new ones .* context of 8: ask for at"):
            call(made("rope"), prompt, room + 1, overflow="error")
    with pytest.raises(ContextError, match=f"ask for at most {room}"):
        generate_batch(made("rope"), [[1], prompt], room + 1 + (length == 1), overflow="error")


def test_a_text_may_end_where_its_context_is_full_while_others_go_on():
    free = list(generate_batch(made("rope"), [[1] * 6, [2]], 12, seed=1))
    ended = list(generate_batch(made("rope"), [[1] * 6, [2]], 12, seed=1, overflow="stop"))
    assert [a for a, _ in ended] == [a for a, _ in free][:3] + [None] * 5
    assert [b for _, b in ended] == [b for _, b in free][:8]
    assert issubclass(ContextError, ValueError)


@pytest.mark.parametrize("variant", ["gpt2", "llama"])
def test_a_model_in_float64_gives_the_logits_of_one_that_was_made_so(variant):
    narrow, wide = model(variant, seed=1, spread=0.3, dtype=np.float32), model(variant, dtype=np.float64)
    wide.load_state_dict({name: array.astype(np.float64) for name, array in narrow.state_dict().items()})
    assert in_float64(narrow) is narrow
    assert narrow.dtype == np.float64
    steps = [list(sampling(each, [1, 2], 12, seed=1)) for each in (narrow, wide)]
    for ours, theirs in zip(*steps, strict=True):
        np.testing.assert_array_equal(ours.logits, theirs.logits)


def test_completions_on_a_device_are_those_of_numpy(device):
    settings = {"n": 2, "seed": 3, "stop_strings": ["ab"], "logprobs": 2}
    moved = model("llama", seed=1, spread=0.3, dtype=np.float32).to(device)
    wanted = texts(in_float64(model("llama", seed=1, spread=0.3, dtype=np.float32)), TOK, ["ab", "c"], 9, **settings)
    with use_device(device):
        found = texts(in_float64(moved), TOK, ["ab", "c"], 9, **settings)
    assert [each.ids for each in found] == [each.ids for each in wanted]
    for ours, theirs in zip(found, wanted, strict=True):
        np.testing.assert_allclose(ours.logprobs, theirs.logprobs, rtol=0, atol=1e-12)  # float64, logits below 30
