"""Generation under a constraint: what a stop id ended is a match, whatever the model prefers; and what is refused."""

import functools
import os
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.constrain import patterns
from tests.constrain.vocabularies import of
from tinylm import GPT, GPTConfig, no_grad
from tinylm.beam import beam_search
from tinylm.constrain import Regex, listing
from tinylm.constrain.processor import ENDED
from tinylm.sample import generate, generate_batch
from tokenizer import CharTokenizer, SentencePieceTokenizer, Tokenizer, train_bpe

END = "<|endoftext|>"
TEXT = "yes or no: call +49 (30) 1234-567, not 12, 345 or 6; Grüße, 10 € und 日本語 \U0001f600. "

PATTERNS = [
    "yes|no",
    r" ?\d+(, \d+)*",
    r"\+[1-9]\d{0,2} \(\d{2,4}\) \d{3,4}-\d{3,5}",
    r"[^a-z\n]{1,8}",
    r"(日本語|€|ü){2,3}!?",
    r"\w{1,4}( \w{1,4})?[.!?]",
    r'\{"n": (\d{1,3}|null)\}',
]


@functools.cache
def tokenizer() -> Tokenizer:
    return train_bpe([TEXT * 3], 300, special_tokens=[END])


@functools.cache
def gpt(size: int, seed: int = 0) -> GPT:
    """A model that prefers some ids by far, knowing nothing of text."""
    made = GPT(GPTConfig(vocab_size=size, block_size=48, n_layer=1, n_head=2, n_embd=8, tie_weights=False), seed=seed)
    made.lm_head.weight.data[:] = np.random.default_rng(seed).normal(0, 1.5, made.lm_head.weight.shape)
    return made


def check_text(regex: Regex, pattern: str, ids: list[int], stops: list[int], longest: int) -> bool:
    """Whether the text was ended; then it is a match, and else the beginning of one that took all of its tokens."""
    if ids[-1] in stops:
        text = b"".join(tokenizer().vocab[i] for i in ids[:-1]).decode()  # matches are whole characters
        assert patterns.oracle(pattern, text), text
        assert regex.matches(ids)
        assert regex.state(ids) == ENDED
        return True
    assert len(ids) == longest
    assert regex.allowed(ids)
    return False


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_text_that_a_stop_id_ended_is_a_match(pattern):
    stops = [tokenizer().special_tokens[END]]
    regex, ended = Regex(pattern, tokenizer(), stops=stops), 0
    prompt = tokenizer().encode("call")
    for seed in range(6):
        model = gpt(tokenizer().vocab_size + 5, seed)  # with ids that are no tokens
        chosen = {"stop": stops, "seed": seed, "processors": [regex], "temperature": seed / 2}
        ids = list(generate(model, prompt, 40, **chosen))
        ended += check_text(regex, pattern, ids, stops, 40)
        columns = zip(*generate_batch(model, [prompt, prompt[:1]], 40, **chosen), strict=True)
        first, second = ([i for i in column if i is not None] for column in columns)
        assert first == ids
        check_text(regex, pattern, second, stops, 40)
        found = beam_search(model, prompt, 40, beams=3, stop=stops, processors=[regex])
        check_text(regex, pattern, found[0].ids, stops, 40)
    assert ended or pattern == PATTERNS[1], "or the test would show nothing"


@given(patterns.examples(), st.integers(0, 2**32 - 1))
def test_random_logits_under_drawn_patterns_give_matches(example, seed):
    rng, stops = np.random.default_rng(seed), [tokenizer().special_tokens[END]]
    regex, prompt = Regex(example[0], tokenizer(), stops=stops), tokenizer().encode("no")
    ids: list[int] = []
    for _ in range(30):
        logits = rng.normal(0, 3, tokenizer().vocab_size)
        given_logits = logits.copy()
        left = regex(logits, prompt + ids, len(prompt))
        np.testing.assert_array_equal(logits, given_logits)
        allowed = np.flatnonzero(left > -np.inf)
        assert allowed.tolist() == regex.allowed(ids)
        np.testing.assert_array_equal(left[allowed], logits[allowed])
        ids.append(int(left.argmax()))
        if ids[-1] in stops:
            break
    check_text(regex, example[0], ids, stops, 30)


@given(patterns.examples())
def test_the_way_of_a_match_is_open_and_ends_at_the_end(example):
    pattern, text = example
    stops = [tokenizer().special_tokens[END]]
    regex = Regex(pattern, tokenizer(), stops=stops)
    ids = tokenizer().encode(text)
    if patterns.oracle(pattern, text):
        for n in range(len(ids)):
            assert ids[n] in regex.allowed(ids[:n])
        assert regex.matches(ids)
        assert stops[0] in regex.allowed(ids)
        assert regex.allowed([*ids, *stops]) == stops, "after the end there is nothing but the end"
    else:
        with pytest.raises(ValueError, match=r"is no beginning of a match"):
            regex.state(ids + stops)


def test_what_a_mask_is_does_not_depend_on_what_was_asked_before():
    text, logits = tokenizer().encode(" 12, 345"), np.zeros(tokenizer().vocab_size)
    stops = [tokenizer().special_tokens[END]]
    forth, back = (Regex(r" ?\d+(, ?\d+)*", tokenizer(), stops=stops) for _ in range(2))
    first = [forth(logits, text[:n], 0) for n in range(len(text) + 1)]
    last = [back(logits, text[:n], 0) for n in reversed(range(len(text) + 1))]
    again = [forth(logits, [5, 5, *text[:n]], 2) for n in range(len(text) + 1)]
    np.testing.assert_array_equal(first, last[::-1])
    np.testing.assert_array_equal(first, again)
    with pytest.raises(ValueError, match="read-only"):
        forth.mask(forth.automaton.start)[0] = True


def test_beams_under_a_constraint_find_the_likeliest_text_that_it_allows():
    vocab = of(b"y", b"e", b"s", b"no", b"n", b"o", b"es", b"<end>")
    regex, model = Regex("(yes|no)(no)?", vocab, stops=[7]), gpt(8)
    every: list[tuple[float, list[int]]] = []
    waiting: list[tuple[float, list[int]]] = [(0.0, [])]
    while waiting:
        so_far, ids = waiting.pop()
        if ids and ids[-1] == 7:
            every.append((so_far, ids))
            continue
        with no_grad():
            z = model([[3, *ids]])[0].numpy()[0, -1].astype(float)
        for i in range(8):
            text = b"".join(vocab.vocab[one] for one in [*ids, i][: -1 if i == 7 else None]).decode()
            possible = (
                patterns.oracle("(yes|no)(no)?", text) if i == 7 else re.match(text, "yesno") or re.match(text, "nono")
            )
            if possible:
                waiting.append((so_far + z[i] - np.log(np.exp(z).sum()), [*ids, i]))
    every.sort(reverse=True)
    found = beam_search(model, [3], 8, beams=40, n_best=10, length_penalty=0.0, stop=[7], processors=[regex])
    assert len(every) == 12
    assert [one.ids for one in found] == [ids for _, ids in every[:10]]
    np.testing.assert_allclose([one.score for one in found], [score for score, _ in every[:10]], rtol=1e-5)


# -- other tokenizers --------------------------------------------------------------------------------------


def test_a_character_tokenizer_spells_with_characters_and_ends_by_one_of_them():
    tok = CharTokenizer("0123456789,é \n")
    regex = Regex(r"\d+é?", tok, stops=tok.encode("\n"))
    assert tok.decode(regex.allowed([])) == "0123456789"
    assert tok.decode(regex.allowed(tok.encode("7"))) == "\n0123456789é"
    assert tok.decode(regex.allowed(tok.encode("7é"))) == "\n"
    # "ü" begins with the byte of "é": that way is dead, for no token ends it
    assert tok.decode(Regex("[éü]|3", tok, stops=tok.encode("\n")).allowed([])) == "3é"


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("yes|no", "no text that the 12 tokens of this vocabulary spell is a match of 'yes|no'"),
        ("(yes|no)!", "; they have no '!', 'e', 'n', 'o', 's', 'y'"),
        ("3ü", "they have no 'ü'"),
        ("[a-z]+", r"is a match of '[a-z]+'"),
        ("0\n", "they have no '\\n'"),
        (r"[^\x00-\U0010ffff]", r"no text at all is a match of"),
    ],
)
def test_a_pattern_that_the_tokens_cannot_spell_is_refused_at_once(pattern, message):
    tok = CharTokenizer("0123456789,é\n")
    with pytest.raises(ValueError, match=re.escape(message)):
        Regex(pattern, tok, stops=tok.encode("\n"))


def test_a_sentencepiece_vocabulary_has_its_spaces_and_its_bytes():
    pieces = ["<unk>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), "\u2581", "y", "e", "s", "\u2581yes", "es"]
    types = [2, 3] + [6] * 256 + [1] * 6
    tok = SentencePieceTokenizer.from_pieces(pieces, [-float(i) for i in range(len(pieces))], types)
    byte, (space, y, e, s, yes, es) = (lambda b: 2 + b), range(258, 264)
    bare, spaced = (Regex(pattern, tok, stops=[1]) for pattern in ("yes", " ?yes"))
    assert bare.allowed([]) == [byte(ord("y")), y]
    assert spaced.allowed([]) == [byte(32), byte(ord("y")), space, y, yes]
    assert bare.allowed([y]) == [byte(ord("e")), e, es]
    assert bare.allowed([y, es]) == bare.allowed([y, e, s]) == spaced.allowed([yes]) == [1]
    assert tok.decode([yes]) == "yes", "decoding alone drops the space at the beginning of a text"
    accents = Regex("é", tok, stops=[1])
    assert accents.allowed([]) == [byte(0xC3)]
    assert accents.allowed([byte(0xC3)]) == [byte(0xA9)]


@pytest.mark.slow
@pytest.mark.skipif("TINYLM_SMOLLM2" not in os.environ, reason="needs TINYLM_SMOLLM2, the path of SmolLM2's GGUF file")
def test_a_real_model_answers_in_the_form_that_is_asked_for():
    from tinylm.formats import load_model

    loaded = load_model(os.environ["TINYLM_SMOLLM2"])
    regex = Regex(" ?(yes|no)", loaded.tokenizer, stops=loaded.stops)
    prompt = [*loaded.start, *loaded.tokenizer.encode("Question: Is Paris in France? Answer yes or no.\nAnswer:")]
    ids = list(generate(loaded.model, prompt, 8, temperature=0, stop=loaded.stops, processors=[regex]))
    assert ids[-1] in loaded.stops
    assert loaded.tokenizer.decode(ids[:-1]).strip() in ("yes", "no")


# -- what is refused, and what is shown --------------------------------------------------------------------


def test_what_is_missing_or_wrong_is_said():
    vocab = of(b"a", b"b", b"<end>")
    for stops in ([], [-1]):
        with pytest.raises(ValueError, match=r"stops must be ids that end a text"):
            Regex("a", vocab, stops=stops)
    regex = Regex("ab", vocab, stops=2)
    assert regex.stops == [2]
    with pytest.raises(ValueError, match=r"with id 1, b'b', at place 0 the text is no beginning of a match of 'ab'"):
        regex(np.zeros(3), [0, 1], 1)
    with pytest.raises(ValueError, match=r"with id 2, no text, at place 1 the text"):
        regex.state([0, 2])
    with pytest.raises(ValueError, match=r"with id 77, no text, at place 1 the text"):
        regex.state([0, 77])
    with pytest.raises(ValueError, match=r"with id 0, b'a', at place 3 the text"):
        Regex("[ab]*", vocab, stops=2).state([0, 1, 2, 0])
    np.testing.assert_array_equal(regex(np.zeros(5), [7, 0], 1), [-np.inf, 0, -np.inf, -np.inf, -np.inf])
    with pytest.raises(ValueError, match=r"the model has 2 ids, the tokens and stops go up to 2"):
        regex(np.zeros(2), [], 0)
    with pytest.raises(ValueError, match="position 0: there is nothing to repeat"):
        Regex("*", vocab, stops=[2])
    assert regex.name == "regex"


def test_the_listing_says_where_a_text_is_and_what_may_come():
    vocab = of(b"1", b"12", b",", b"\xc3", b"\xa9", b"<end>")
    regex = Regex("[12]+(,é)?", vocab, stops=[5])
    assert listing(regex).splitlines() == ["'': state 1, not yet a match; 2 of 6 ids are allowed", "'12' '1'"]
    assert listing(regex, [1]).splitlines() == [
        "'12': state 2, a match; 4 of 6 ids are allowed",
        "stop ids: 5",
        "'12' ',' '1'",
    ]
    assert listing(regex, [1], most=1).splitlines()[-1] == "'12' and 2 more"
    assert listing(regex, [0, 2]).splitlines()[-1] == r"'\\xc3'"
    assert listing(regex, [0, 5]).splitlines() == ["'1': ended; 1 of 6 ids are allowed", "stop ids: 5"]
