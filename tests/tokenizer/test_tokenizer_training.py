"""Training: equal to counting everything again for every merge, under every tie rule; and to Hugging Face's."""

import json
import pydoc_data.topics
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tokenizer_oracles import naive_merges, split_gpt2
from tokenizer_strategies import corpora, texts, texts_with_specials

from tokenizer import PATTERNS, Merge, Tokenizer, TokenizerError, merges, train_bpe
from tokenizer.alphabet import from_printable, to_printable
from tokenizer.count import Counting
from tokenizer.ties import TIE_RULES

rules = st.sampled_from(sorted(TIE_RULES))

TEXT = """\
A tokenizer reads bytes, not letters. It looks for the two neighbours that stand together most often,
glues them, and looks again; after a while the glued pieces are words. "Größe" and "naïve" have letters
of two bytes, 猫 has three, and 🙂 has four: they are glued too, if they come often enough.
Größe, Größen, größer; naïve, naïver; 猫と猫の猫; 🙂🙂 🙂!  Two spaces  are  kept,\ttabs\ttoo.
The end isn't near: it's 10, 20, 30 merges away, and they'll all be counted.
"""
# What Hugging Face's BpeTrainer (tokenizers 0.23.3, ByteLevel) made of TEXT; most merges are settled by ties.
MADE_BY_HUGGINGFACE = (
    "Ġ+t Ġ+a e+r Ġt+h e+n e+s Ġth+e n+d r+e Ġ+n o+o o+u r+Ã w+o ¶+Ã ç+Į ð+Ł Ġ+l Ļ+Ĥ Ġa+nd rÃ+¶Ã çĮ+« ðŁ+ĻĤ "
    "rÃ¶Ã+Ł G+rÃ¶ÃŁ a+Ã e+d e+t f+t g+l h+a v+e Ġ+b Ġ+i Ġ+ðŁĻĤ Ġ+ha Ġa+re Ġthe+y aÃ+¯ gl+u c+es d+s g+h k+s l+l "
    'o+ft s+t t+er t+es y+tes ã+ģ Ġ+" Ġ+c Ġ+f Ġ+m Ġ+en Ġ+çĮ« Ġ+glu Ġ+oft Ġt+o'
)


def trained(words: list[bytes], n_merges: int | None, rule: str) -> list[tuple[bytes, bytes, int]]:
    return [(m.left, m.right, m.count) for m in merges(Counter(words), n_merges, tie_break=rule)]


@given(corpora, rules)
@example([b"aaaaa", b"aaa"], "huggingface")
@example([b"abab", b"bab", b"ba"], "first_seen")
@example([b"cd", b"ab", b"\xff!"], "huggingface")
@example([b"cd", b"ab", b"\xff!"], "smallest_ids")
@example([b"cd", b"ab", b"\xff!"], "greatest_bytes")
@example([b"cd", b"ab", b"\xff!"], "first_seen")
def test_merges_equal_those_of_counting_everything_again(words: list[bytes], rule: str) -> None:
    assert trained(words, None, rule) == naive_merges(words, None, rule)


@given(st.lists(texts, min_size=1, max_size=3), rules)
def test_training_on_text_equals_the_naive_way_from_end_to_end(documents: list[str], rule: str) -> None:
    words = [piece.encode() for document in documents for piece in split_gpt2(document)]
    expected = [(left, right) for left, right, _ in naive_merges(words, 12, rule)]
    if words:
        tok = train_bpe(documents, 256 + len(expected) + 1, tie_break=rule)
        assert tok.merges == expected


@given(st.lists(texts_with_specials, min_size=1, max_size=5), st.randoms(use_true_random=False), rules)
def test_the_order_of_documents_changes_nothing_but_under_first_seen(
    documents: list[str], chance: random.Random, rule: str
) -> None:
    if not "".join(documents).replace("<|end|>", "") or rule == "first_seen":
        return
    shuffled = documents.copy()
    chance.shuffle(shuffled)
    n = 257 + min(10, len(possible(documents, rule)))
    one = train_bpe(documents, n, special_tokens=["<|end|>"], tie_break=rule)
    assert one == train_bpe(shuffled, n, special_tokens=["<|end|>"], tie_break=rule)


def possible(documents: list[str], rule: str) -> list[tuple[bytes, bytes, int]]:
    words = [piece.encode() for text in documents for part in text.split("<|end|>") for piece in split_gpt2(part)]
    return naive_merges(words, 10, rule)


def test_first_seen_goes_by_the_order_of_the_corpus() -> None:
    assert trained([b"ab", b"xy"], 1, "first_seen") == [(b"a", b"b", 1)]
    assert trained([b"xy", b"ab"], 1, "first_seen") == [(b"x", b"y", 1)]


@pytest.mark.parametrize(
    ("rule", "words", "first"),
    [
        ("huggingface", [b"\x00\x00", b"zz"], (b"z", b"z")),  # 0 is among the unprintable bytes, which come last
        ("smallest_ids", [b"\x00\x00", b"zz"], (b"\x00", b"\x00")),
        ("smallest_ids", [b"ab", b"aa"], (b"a", b"a")),
        ("greatest_bytes", [b"ab", b"ba", b"az"], (b"b", b"a")),
        ("first_seen", [b"ab", b"aa"], (b"a", b"b")),
    ],
)
def test_each_rule_does_what_it_says(rule: str, words: list[bytes], first: tuple[bytes, bytes]) -> None:
    assert trained(words, 1, rule) == [(*first, 1)]


def test_greatest_bytes_holds_a_string_greater_than_its_beginning() -> None:
    # after ab, the pairs (ab, c) and (a, d) tie: b"ab" > b"a"; then (x, ab) and (x, a) by their right side
    made = trained([b"ab"] * 3 + [b"abc", b"ad"], 2, "greatest_bytes")
    assert made == [(b"a", b"b", 4), (b"ab", b"c", 1)]
    made = trained([b"ab"] * 3 + [b"xab", b"xa"], 2, "greatest_bytes")
    assert made[1] == (b"x", b"ab", 1)


def test_runs_of_one_byte_merge_from_the_left_without_overlap() -> None:
    assert trained([b"aaaaa"], None, "huggingface") == [(b"a", b"a", 4), (b"aa", b"a", 1), (b"aa", b"aaa", 1)]


def test_merges_are_the_ones_that_huggingface_made_of_a_text() -> None:
    expected = [tuple(map(from_printable, merge.split("+", 1))) for merge in MADE_BY_HUGGINGFACE.split()]
    tok = train_bpe([TEXT], 256 + len(expected), special_tokens=())
    assert tok.merges == expected


def huggingface_merges(text: str, vocab_size: int, pattern: str) -> list[list[str]]:
    hf: Any = pytest.importorskip("tokenizers")
    cut = hf.pre_tokenizers
    model = hf.Tokenizer(hf.models.BPE())
    if pattern == "gpt2":
        model.pre_tokenizer = cut.ByteLevel(add_prefix_space=False, use_regex=True)
    else:
        # Oniguruma's spelling: its $ is the end of any line, and its {1,3}+ repeats {1,3}
        spelled = PATTERNS[pattern].replace("$", r"\z").replace("{1,3}+", "{1,3}")
        by_regex = cut.Split(hf.Regex(spelled), "isolated")
        model.pre_tokenizer = cut.Sequence([by_regex, cut.ByteLevel(add_prefix_space=False, use_regex=False)])
    trainer = hf.trainers.BpeTrainer(
        vocab_size=vocab_size, initial_alphabet=cut.ByteLevel.alphabet(), show_progress=False, special_tokens=[]
    )
    model.train_from_iterator([text], trainer)
    made: list[list[str]] = json.loads(model.to_str())["model"]["merges"]
    return made


def printable_merges(tok: Tokenizer) -> list[list[str]]:
    return [[to_printable(left), to_printable(right)] for left, right in tok.merges]


@pytest.mark.parametrize("pattern", ["gpt2", "gpt4"])
def test_merges_equal_huggingface_on_the_text_that_python_carries(pattern: str) -> None:
    topics: dict[str, str] = pydoc_data.topics.topics
    text = "\n".join(topics[name] for name in sorted(topics))
    tok = train_bpe([text], 3000, pattern=pattern, special_tokens=())
    assert printable_merges(tok) == huggingface_merges(text, 3000, pattern)


@pytest.mark.data
@pytest.mark.parametrize("pattern", ["gpt2", "gpt4"])
def test_merges_equal_huggingface_on_shakespeare(shared_data: Path, pattern: str) -> None:
    path = shared_data / "tinyshakespeare.txt"
    tok = train_bpe(path, 5000, pattern=pattern, special_tokens=())
    with open(path, encoding="utf-8", newline="") as file:
        assert printable_merges(tok) == huggingface_merges(file.read(), 5000, pattern)


@given(corpora)
def test_merges_equal_huggingface_on_drawn_corpora(words: list[bytes]) -> None:
    text = " ".join(word.decode("latin-1") for word in words)
    expected = huggingface_merges(text, 400, "gpt2")
    if expected:
        assert printable_merges(train_bpe([text], 256 + len(expected), special_tokens=())) == expected


def test_a_trained_vocabulary_is_bytes_then_merges_then_special_tokens() -> None:
    tok = train_bpe([TEXT], 300, special_tokens=["<|a|>", "<|b|>"])
    assert [tok.vocab[byte] for byte in range(256)] == [bytes([byte]) for byte in range(256)]
    assert [tok.vocab[256 + rank] for rank in range(42)] == [left + right for left, right in tok.merges]
    assert tok.special_tokens == {"<|a|>": 298, "<|b|>": 299}
    assert tok.vocab_size == len(tok.vocab) == 300


@given(corpora, st.integers(0, 4), rules)
def test_rivals_are_the_pairs_next_in_line_and_change_nothing(words: list[bytes], n: int, rule: str) -> None:
    plain = list(merges(Counter(words), tie_break=rule))
    with_rivals = list(merges(Counter(words), tie_break=rule, rivals=n))
    assert [(m.pair, m.count) for m in plain] == [(m.pair, m.count) for m in with_rivals]
    for merge in with_rivals:
        counts = [merge.count, *(rival.count for rival in merge.rivals)]
        assert counts == sorted(counts, reverse=True)
        assert len({merge.pair, *(rival.pair for rival in merge.rivals)}) == len(counts) <= 1 + n
        assert all(count > 0 for count in counts)


def test_merges_are_watched_one_by_one() -> None:
    watched = merges({b"low": 5, b"lower": 2})
    assert next(watched) == Merge(rank=0, pair=(108, 111), token=256, left=b"l", right=b"o", count=7)
    assert next(watched).token_bytes == b"low"


def test_progress_sees_every_stretch_and_every_merge() -> None:
    seen: list[Counting | Merge] = []
    tok = train_bpe([TEXT], 270, progress=seen.append)
    assert seen[0] == Counting(len(TEXT.encode()), len(set(split_gpt2(TEXT))))
    assert [(m.left, m.right) for m in seen[1:] if isinstance(m, Merge)] == tok.merges


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"vocab_size": 256}, "vocab_size 256 is too small; it must be at least 257"),
        ({"vocab_size": 300, "special_tokens": ["a", "a"]}, "'a' is given twice"),
        ({"vocab_size": 300, "special_tokens": "<|x|>"}, r"expected a collection, got the str '<\|x\|>'"),
        ({"vocab_size": 300, "special_tokens": [""]}, "an empty one would be found everywhere"),
        ({"vocab_size": 300, "tie_break": "random"}, "expected one of huggingface, .* got 'random'"),
        ({"vocab_size": 300, "pattern": "gpt5"}, "no known name"),
        ({"vocab_size": 30000}, r"runs out of pairs after \d+ of 29743 merges; give more text, or vocab_size=\d+"),
    ],
)
def test_settings_that_make_no_sense_are_refused(arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(TokenizerError, match=says):
        train_bpe([TEXT], **arguments)


@pytest.mark.parametrize("source", [[], [""], ["<|endoftext|>"]])
def test_a_source_without_text_is_refused(source: list[str]) -> None:
    with pytest.raises(TokenizerError, match="the source holds no text"):
        train_bpe(source, 257)


def test_the_size_named_when_pairs_run_out_is_the_largest_that_works() -> None:
    with pytest.raises(TokenizerError, match="after 3 of 43 merges; give more text, or vocab_size=260"):
        train_bpe(["low low"], 300)
    assert train_bpe(["low low"], 260).vocab_size == 260


def test_names_of_files_given_as_texts_are_pointed_out(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text(TEXT)
    with pytest.raises(TokenizerError, match=r"was read as a text, and is also a file: for that give pathlib\.Path"):
        train_bpe([str(path)], 400)
    assert train_bpe([path], 400) == train_bpe(str(path), 400)


@pytest.mark.parametrize("counts", [{b"a": 0}, {"a": 1}])
def test_counts_that_are_no_counts_are_refused(counts: dict[bytes, int]) -> None:
    with pytest.raises(TokenizerError, match="expected pre-token bytes -> count of 1 or more"):
        merges(counts)
    with pytest.raises(TokenizerError, match="n_merges must not be negative"):
        merges({}, -1)


@pytest.mark.parametrize("count", [2.5, float("nan"), "2", None])
def test_counts_and_numbers_that_are_not_whole_are_refused(count: object) -> None:
    with pytest.raises(TokenizerError, match="expected pre-token bytes -> count of 1 or more"):
        list(merges({b"ab": count}, 1))  # type: ignore[dict-item]
    with pytest.raises(TokenizerError, match="n_merges must be a whole number"):
        list(merges({b"ab": 2}, 2.5))  # type: ignore[arg-type]
    with pytest.raises(TokenizerError, match=r"vocab_size must be a whole number, got 257\.0"):
        train_bpe(["ab ab"], 257.0, special_tokens=[])  # type: ignore[arg-type]
