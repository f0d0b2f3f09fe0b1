"""The problems about text, data, optimizers and sampling: answers of another make are right, slow ones are slow."""

import sys
from functools import partial
from itertools import pairwise

import numpy as np
import pytest

from tests.course import written_numbers, written_text
from tinylm import GPT, GPTConfig, tensor
from tinylm.course import drive_text, places_text
from tinylm.course.cases import cases_of
from tinylm.course.exercise import case
from tinylm.course.judge import judge
from tinylm.course.outcome import Here
from tinylm.course.problem import problem_named, problems
from tinylm.course.spelling import value_of
from tinylm.course.substitute import substitute
from tinylm.optim import clip_grad_norm
from tinylm.sample import generate
from tokenizer import train_bpe
from tokenizer.encode import encode_word, lowest
from tokenizer.train import merges

TOPICS = ("tokenizer", "data", "optimizer", "sampling")
WRITTEN = {**vars(written_text), **vars(written_numbers)}
MINE = [problem for problem in problems().values() if problem.topic in TOPICS]


def judged(name, answer, **chosen):
    problem = problem_named(name).variant(chosen)
    return judge(problem, Here(answer, problem.drive, problem.work and problem.work.count))


@pytest.mark.parametrize("problem", MINE, ids=lambda problem: problem.name)
def test_an_answer_of_another_make_is_right(problem):
    assert judged(problem.name, WRITTEN[problem.symbol]).status == "right"


@pytest.mark.parametrize("rule", problem_named("merges").variants["tie_break"])
def test_a_naive_trainer_makes_the_merges_of_every_tie_rule_and_is_slow(rule):
    verdict = judged("merges", partial(written_text.naive_merges, tie_break=rule), tie_break=rule)
    assert verdict.status == "slow", verdict


def slow_encoder(ids, ranks):
    word = list(ids)
    while (i := lowest(word, ranks)) is not None:
        word[i : i + 2] = [ranks[word[i], word[i + 1]][1]]
    return word


def looks_up_all(ids, ranks):
    """All the looking is done in C."""
    word = list(ids)
    while found := list(filter(None, map(ranks.get, pairwise(word)))):
        _, token = min(found)
        i = list(map(ranks.get, pairwise(word))).index(min(found))
        word[i : i + 2] = [token]
    return word


@pytest.mark.parametrize("answer", [slow_encoder, looks_up_all, written_text.encode_word])
def test_an_encoder_that_looks_at_the_whole_word_for_every_merge_is_slow(answer):
    assert judged("encode_word", answer).status == "right"
    assert judged("encode_long_word", answer).status == "slow"


def test_an_answer_for_another_pattern_is_wrong_and_the_right_one_is_right():
    def split_as(name):
        return lambda texts, pattern="gpt2": written_text.count_texts(texts, name)

    assert judged("count_texts", split_as("llama3"), pattern="gpt4").status == "wrong"
    assert judged("count_texts", split_as("gpt4"), pattern="gpt4").status == "right"


def test_lines_are_counted_the_same_each_time_and_the_tracer_is_put_back():
    each = case([1, 2, 1, 2, 3], {(1, 2): (0, 9), (9, 9): (1, 8)})
    before = sys.gettrace()
    first = drive_text.lines(encode_word, each)
    assert first == drive_text.lines(encode_word, each) > 5
    with pytest.raises(ZeroDivisionError):
        drive_text.lines(lambda ids, ranks: 1 / 0, each)
    assert sys.gettrace() is before


def test_a_look_up_counts_as_one_also_where_c_makes_it():
    ranks = {(1, 2): (0, 9)}
    several, few = ([drive_text.lines(answer, case([1] * n, ranks)) for n in (4, 104)] for answer in
                    (lambda ids, ranks: list(map(ranks.get, ids)), lambda ids, ranks: list(map(str, ids))))  # fmt: skip
    assert several[1] - several[0] == 100
    assert few[1] == few[0]


def test_what_a_generator_yields_is_counted():
    def lazy(ids, ranks):
        yield from (i for i in ids)

    assert drive_text.lines(lazy, case([0] * 100, {})) > 100


def test_records_and_triples_of_merges_are_the_same():
    counts = {b"low": 5, b"lower": 2}
    assert drive_text.merged(merges, counts, 3) == drive_text.merged(written_text.naive_merges, counts, 3)


def test_an_endless_generator_comes_to_an_end():
    def endless(counts, n_merges):
        while True:
            yield b"a", b"b", 1

    assert len(drive_text.merged(endless, {}, 1)) == 1000


@pytest.mark.parametrize("name", ["adamw_update", "sgd_update"])
def test_steps_in_place_and_steps_that_return_are_the_same(name):
    problem = problem_named(name)
    in_place, returned = problem.live, WRITTEN[name]
    for each in cases_of(problem)[:20]:
        values = [value_of(argument) for argument in each.args]
        one, other = (problem.drive(answer, *values, **each.settings) for answer in (in_place, returned))
        assert problem.compare(one, other) is None


def test_an_update_that_returns_is_put_into_the_arrays_of_the_optimizer():
    one, other = ([np.full(3, value) for value in (1.0, 0.5, 0.25, 0.5)] for _ in range(2))
    problem_named("adamw_update").live(np, *one, 2)
    places_text.adamw_in_place(written_numbers.adamw_update, None)(np, *other, 2)
    np.testing.assert_allclose(one, other, rtol=1e-12)
    p, g, b = np.ones(2), np.ones(2), np.ones(2)
    new = places_text.sgd_in_place(written_numbers.sgd_update, None)(p, g, b, lr=0.5, momentum=0.5, weight_decay=0.0)
    assert p.tolist() == [0.25, 0.25]
    assert new.tolist() == [1.5, 1.5]


TEXT = "the cat sat on the mat, the cat's hat was flat "


def trained():
    tokenizer = train_bpe([TEXT], 270, special_tokens=["<|x|>"])
    marked = f"{TEXT}<|x|>{TEXT}"
    return tokenizer.merges, tokenizer.encode(marked, allowed_special="all"), tokenizer.decode(tokenizer.encode(TEXT))


@pytest.mark.parametrize("name", ["merges", "count_pairs", "merge_pair", "encode_word", "split_special", "count_texts"])
def test_an_answer_of_another_make_can_stand_in_for_the_tokenizers_own(name):
    right, called = trained(), []

    def counted(*args, **settings):
        called.append(name)
        return getattr(written_text, name)(*args, **settings)

    with substitute({name: counted}):
        assert trained() == right
    assert called


def chosen():
    model = GPT(GPTConfig(vocab_size=9, block_size=8, n_layer=1, n_head=1, n_embd=8))
    p = tensor(np.ones(3), requires_grad=True)
    (p * p).sum().backward()
    norm = clip_grad_norm([p], 0.5)
    return list(generate(model, [1, 2], 5, seed=1, top_k=3)), round(norm, 9), p.grad.numpy().round(9).tolist()


def test_answers_of_another_make_can_stand_in_for_clipping_and_choosing():
    right = chosen()
    with substitute(choose_token=written_numbers.choose_token, clip_gradients=written_numbers.clip_gradients):
        assert chosen() == right
    assert chosen() == right


def test_a_batch_is_judged_by_its_windows_and_not_by_its_random_numbers():
    tokens = np.arange(6)
    found = drive_text.batch(written_numbers.get_batch, tokens, 2, 3)
    assert found == drive_text.batch(problem_named("get_batch").live, tokens, 2, 3)
    assert found["windows"] == [((i, i + 1, i + 2), (i + 1, i + 2, i + 3)) for i in range(3)]
    assert found["repeatable"]
    assert not found["alike"]


def test_choosing_says_how_many_numbers_were_drawn():
    logits = np.array([0.0, 1.0])
    choose = problem_named("choose_token").live
    assert [drive_text.chosen(choose, logits, [0], 0.5, temperature=t)[2] for t in (1.0, 0)] == [1, 0]


@pytest.mark.parametrize("problem", MINE, ids=lambda problem: problem.name)
def test_an_answer_that_returns_nothing_is_unwritten_or_at_least_wrong(problem):
    if isinstance(problem.live, type):
        pytest.skip("a class returns an object")
    verdict = judged(problem.name, lambda *a, **s: None)
    assert verdict.status == ("wrong" if problem.name in ("adamw_update", "sgd_update", *ORDERED) else "unwritten")


ORDERED = ("tie_huggingface", "tie_greatest_bytes")  # None is a key, if a useless one
