"""Seeded faults: each puts one plausible mistake into the tokenizer, and some test above must notice it."""

import codecs
import heapq
import inspect
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest
import regex
import test_tokenizer_counting as counting
import test_tokenizer_encoding as encoding
import test_tokenizer_fast_counting as fast_counting
import test_tokenizer_fast_encoding as fast_encoding
import test_tokenizer_files as files
import test_tokenizer_specials as specials
import test_tokenizer_splitting as splitting
import test_tokenizer_training as training
import tokenizer_strategies
from hypothesis import Phase, settings

import tokenizer.blocks
import tokenizer.count
import tokenizer.read
import tokenizer.special
from tokenizer import StreamDecoder, Tokenizer
from tokenizer.fast.classes import O
from tokenizer.fast.count import Counter
from tokenizer.fast.cut import cutter
from tokenizer.fast.encode import Encoder
from tokenizer.fast.pretokens import PretokenFinder, Units
from tokenizer.fast.rules import RULES
from tokenizer.forms import use_form
from tokenizer.patterns import Splitter, splitter
from tokenizer.special import finder
from tokenizer.ties import TIE_RULES
from tokenizer.train import PairIndex, PairQueue

Patch = pytest.MonkeyPatch
FAULTS: list[Any] = []


def fault(
    catcher: Callable[..., object], form: str = "readable", **settled: Any
) -> Callable[[Callable[[Patch], None]], Callable[[Patch], None]]:
    """Register a mistake in one form, and the test that catches it, with those of its arguments that are settled."""

    def register(mistake: Callable[[Patch], None]) -> Callable[[Patch], None]:
        FAULTS.append(pytest.param(mistake, catcher, form, settled, id=mistake.__name__))
        return mistake

    return register


@pytest.fixture
def few_surprises() -> Iterator[None]:
    """The same examples each time and no shrinking; and nothing cached across a fault."""
    before = settings.default
    phases = [Phase.explicit, Phase.generate]
    settings.register_profile(
        "faults", max_examples=2000, derandomize=True, database=None, deadline=None, phases=phases,
        report_multiple_bugs=False,
    )  # fmt: skip
    caches = (splitter, finder, cutter, tokenizer_strategies.tokenizers)
    for cached in caches:
        cached.cache_clear()
    settings.load_profile("faults")
    try:
        yield
    finally:
        settings.register_profile("before faults", parent=before)
        settings.load_profile("before faults")
        for cached in caches:
            cached.cache_clear()


# Training


@fault(training.test_merges_equal_those_of_counting_everything_again)
def tie_rule_turned_round(patch: Patch) -> None:
    patch.setitem(TIE_RULES, "smallest_ids", lambda pair, corpus: (-pair[0], -pair[1]))


@fault(training.test_merges_are_the_ones_that_huggingface_made_of_a_text)
def bytes_numbered_by_value_in_ties(patch: Patch) -> None:
    patch.setattr("tokenizer.ties.BYTE_RANK", {byte: byte for byte in range(256)})


@fault(training.test_greatest_bytes_holds_a_string_greater_than_its_beginning)
def a_string_sorted_before_its_beginning(patch: Patch) -> None:
    patch.setattr("tokenizer.ties._descending", lambda data: tuple(-byte for byte in data))


@fault(training.test_merges_equal_those_of_counting_everything_again)
def first_seen_by_word_alone(patch: Patch) -> None:
    patch.setitem(TIE_RULES, "first_seen", lambda pair, corpus: (corpus.first(pair)[0], pair))


@fault(training.test_merges_equal_those_of_counting_everything_again)
def runs_merged_with_overlap(patch: Patch) -> None:
    def overlapping(word: list[int], pair: tuple[int, int], token: int) -> list[int]:
        hits = [i for i in range(len(word) - 1) if (word[i], word[i + 1]) == pair]
        covered = {i + 1 for i in hits}
        return [token if i in hits else t for i, t in enumerate(word) if i in hits or i not in covered]

    patch.setattr("tokenizer.train.merge_pair", overlapping)


@fault(training.test_runs_of_one_byte_merge_from_the_left_without_overlap)
def runs_merged_from_the_right(patch: Patch) -> None:
    from tokenizer.train import merge_pair

    patch.setattr(
        "tokenizer.train.merge_pair", lambda word, pair, token: merge_pair(word[::-1], pair[::-1], token)[::-1]
    )


@fault(training.test_merges_equal_those_of_counting_everything_again)
def counts_in_the_queue_never_checked(patch: Patch) -> None:
    def pop_all(queue: PairQueue) -> Iterator[tuple[int, int]]:
        while queue.heap:
            pair = heapq.heappop(queue.heap)[2]
            if queue.index.pair_counts.get(pair, 0) > 0:
                yield pair

    patch.setattr(PairQueue, "pop_all", pop_all)


@fault(training.test_merges_equal_those_of_counting_everything_again)
def words_counted_once_however_often_they_occur(patch: Patch) -> None:
    init = PairIndex.__init__
    patch.setattr(PairIndex, "__init__", lambda self, counts: init(self, dict.fromkeys(counts, 1)))


@fault(training.test_rivals_are_the_pairs_next_in_line_and_change_nothing)
def rivals_not_put_back(patch: Patch) -> None:
    push = PairQueue.push
    patch.setattr(PairQueue, "push", lambda self, pair: push(self, pair) if max(pair) > 255 else None)


# Reading and counting


@fault(counting.test_special_tokens_part_documents_and_are_not_counted)
def merged_across_documents(patch: Patch) -> None:
    def no_specials(chunks: Iterable[str], cut: Splitter, _: frozenset[str]) -> Iterator[tuple[str, bool]]:
        return tokenizer.blocks.blocks(chunks, cut, frozenset())

    patch.setattr("tokenizer.count.blocks", no_specials)


@fault(splitting.test_blocks_split_as_the_whole_text_however_it_is_chunked)
def special_tokens_cut_by_chunks(patch: Patch) -> None:
    def each_chunk(chunks: Iterable[str], cut: Splitter, names: frozenset[str]) -> Iterator[tuple[str, bool]]:
        held = ""
        for chunk in chunks:
            held += chunk
            end = cut.last_cut(held, 0, len(held))
            yield from tokenizer.special.split_special(held[:end], names)
            held = held[end:]
        yield from tokenizer.special.split_special(held, names)

    patch.setattr(splitting, "blocks", each_chunk)


@fault(splitting.test_a_safe_cut_is_safe_whatever_stands_around_it)
def cut_inside_white_space(patch: Patch) -> None:
    patch.setattr("tokenizer.patterns._SAFE_CUT", regex.compile(r"(?r)\s(?=\S)|\S(?=\s)"))


@fault(splitting.test_a_safe_cut_is_safe_whatever_stands_around_it)
def cut_between_punctuation_and_line_end(patch: Patch) -> None:
    patch.setattr("tokenizer.patterns._SAFE_CUT", regex.compile(r"(?r)\S(?=\s)"))


@fault(splitting.test_pieces_join_to_the_text_and_none_is_empty)
def gaps_of_a_custom_regex_dropped(patch: Patch) -> None:
    patch.setattr(Splitter, "split", lambda self, text: [m.group() for m in self._regex.finditer(text) if m.group()])


@fault(counting.test_line_ends_and_the_byte_order_mark_are_kept)
def line_ends_translated(patch: Patch) -> None:
    real = tokenizer.read.read_chunks
    patch.setattr(tokenizer.read, "read_chunks", lambda *args: (text.replace("\r\n", "\n") for text in real(*args)))


@fault(counting.test_line_ends_and_the_byte_order_mark_are_kept)
def byte_order_mark_dropped(patch: Patch) -> None:
    real = codecs.getincrementaldecoder
    patch.setattr(codecs, "getincrementaldecoder", lambda _: real("utf-8-sig"))


@fault(counting.test_a_file_gives_every_character_whatever_the_size_of_a_read)
def each_read_decoded_alone(patch: Patch) -> None:
    def alone(file: BinaryIO, _: str, size: int) -> Iterator[str]:
        while data := file.read(size):
            yield data.decode("utf-8", "replace")

    patch.setattr(counting, "read_chunks", alone)


@fault(counting.test_counts_do_not_depend_on_the_size_of_tasks_nor_on_who_counts)
def results_of_workers_added_out_of_order(patch: Patch) -> None:
    real = tokenizer.count.spread
    patch.setattr(tokenizer.count, "spread", lambda *args: reversed(list(real(*args))))


# Encoding and decoding


@fault(specials.test_the_leftmost_wins_and_then_the_longest)
def shortest_special_token_first(patch: Patch) -> None:
    def shortest_first(tokens: frozenset[str]) -> regex.Pattern[str]:
        return regex.compile("|".join(map(regex.escape, sorted(tokens, key=len))) if tokens else r"(?!)")

    patch.setattr("tokenizer.special.finder", shortest_first)


@fault(encoding.test_encode_iterable_gives_the_ids_of_the_whole_text)
def special_tokens_looked_for_in_each_chunk_alone(patch: Patch) -> None:
    from tokenizer.special import refuse

    def forgetful(chunks: Iterable[str], tokens: frozenset[str]) -> Iterator[str]:
        for chunk in chunks:
            refuse(chunk, tokens)
            yield chunk

    patch.setattr("tokenizer.special.refusing", forgetful)
    patch.setattr("tokenizer.batch.together", iter)  # else the chunks of the test are one


@fault(encoding.test_ids_are_those_of_applying_the_merges_in_turn_to_every_word)
def leftmost_pair_merged_whatever_its_rank(patch: Patch) -> None:
    def leftmost(ids: list[int], ranks: dict[tuple[int, int], tuple[int, int]]) -> int | None:
        return next((i for i in range(len(ids) - 1) if (ids[i], ids[i + 1]) in ranks), None)

    patch.setattr("tokenizer.encode.lowest", leftmost)


@fault(encoding.test_the_queue_for_long_words_merges_as_the_loop_does)
def rightmost_of_equal_rank_first(patch: Patch) -> None:
    def rightmost(ids: list[int], ranks: dict[tuple[int, int], tuple[int, int]]) -> int | None:
        found = [(ranks[ids[i], ids[i + 1]][0], -i) for i in range(len(ids) - 1) if (ids[i], ids[i + 1]) in ranks]
        return -min(found)[1] if found else None

    patch.setattr("tokenizer.encode.lowest", rightmost)


@fault(encoding.test_ten_thousand_strings_and_byte_strings_come_back)
def invalid_bytes_replaced(patch: Patch) -> None:
    patch.setattr(Tokenizer, "encode_bytes", lambda self, b: self.encode_ordinary(b.decode("utf-8", "replace")))


@fault(encoding.test_any_split_of_the_ids_streams_to_the_same_text)
def every_feed_decoded_alone(patch: Patch) -> None:
    patch.setattr(StreamDecoder, "feed", lambda self, ids: self._tokenizer.decode(ids))


@fault(encoding.test_offsets_say_which_character_each_token_begins_in)
def offsets_counted_in_bytes(patch: Patch) -> None:
    patch.setattr("tokenizer.decode._begins", lambda byte: True)


@fault(files.test_the_fingerprint_changes_with_everything_that_changes_encode)
def fingerprint_blind_to_the_order_of_merges(patch: Patch) -> None:
    real: Any = Tokenizer.__dict__["fingerprint"].func

    def blind(self: Tokenizer) -> str:
        other = Tokenizer(self.vocab, sorted(self.merges), self.special_tokens, self.pattern)
        return str(real(other))

    patch.setattr(Tokenizer, "fingerprint", property(blind))


# Files


@fault(files.test_a_save_that_fails_leaves_the_old_file_and_nothing_else)
def a_save_that_is_not_atomic(patch: Patch) -> None:
    patch.setattr("tokenizer.formats.write_atomically", lambda path, data: Path(path).write_bytes(data))


# The fast form


@fault(
    fast_counting.test_every_cut_is_a_boundary_and_units_split_alone_give_the_whole,
    "fast",
    pattern="gpt2",
    alphabet="as' \t",
)
def cut_between_apostrophe_and_letter(patch: Patch) -> None:
    change_rules(patch, "gpt2", between=(*RULES["gpt2"].between, ("A", "L")))


@fault(
    fast_counting.test_every_cut_is_a_boundary_and_units_split_alone_give_the_whole,
    "fast",
    pattern="gpt4",
    alphabet="a! \n",
)
def line_end_cut_off_punctuation(patch: Patch) -> None:
    change_rules(patch, "gpt4", between=(*RULES["gpt4"].between, ("O", "R")))


@fault(
    fast_counting.test_every_cut_is_a_boundary_and_units_split_alone_give_the_whole,
    "fast",
    pattern="gpt4",
    alphabet="a! \n",
)
def blanks_at_the_end_of_a_text_split_as_inside_it(patch: Patch) -> None:
    patch.setattr("tokenizer.fast.pretokens.PretokenFinder._last", lambda self, text, starts: np.zeros(0, np.intp))


@fault(
    fast_counting.test_every_cut_is_a_boundary_and_units_split_alone_give_the_whole,
    "fast",
    pattern="gpt2",
    alphabet="a é\u3000",
)
def wide_blanks_taken_for_ink(patch: Patch) -> None:
    patch.setattr("tokenizer.fast.cut.first_classes", lambda text, starts: np.full(len(starts), O, np.uint8))


@fault(fast_counting.test_units_without_doubt_are_one_pretoken_each, "fast", pattern="gpt4")
def long_numbers_without_doubt(patch: Patch) -> None:
    change_rules(patch, "gpt4", digits=0)


@fault(fast_counting.test_counts_are_those_of_the_readable_form_in_the_same_order, "fast", pattern="gpt2")
def nul_taken_for_padding(patch: Patch) -> None:
    def long_only(text: bytes, starts: Any, lengths: Any, apart: Any) -> Any:
        return np.flatnonzero(lengths > 32)

    patch.setattr("tokenizer.fast.units.UnitIndex._special", staticmethod(long_only))


@fault(fast_counting.test_counts_are_those_of_the_readable_form_in_the_same_order, "fast", pattern="gpt2")
def last_unit_of_a_stretch_taken_for_whole(patch: Patch) -> None:
    def careless(self: PretokenFinder, text: bytes, stretch: int = 1 << 20) -> Iterator[Units]:
        begin = 0
        while begin < len(text):
            stop = min(begin + stretch, len(text))
            while stop < len(text) and 0x80 <= text[stop] < 0xC0:
                stop += 1
            yield self.units(text[begin:stop])
            begin = stop

    patch.setattr(PretokenFinder, "walk", careless)


@fault(fast_counting.test_words_counted_elsewhere_add_up_as_if_counted_here, "fast", pattern="gpt2")
def words_of_others_taken_to_come_first(patch: Patch) -> None:
    real = Counter.add_words
    patch.setattr(Counter, "add_words", lambda self, words, at=None: real(self, words, 0))


@fault(fast_counting.test_a_worker_that_remembers_units_counts_each_task_alone, "fast", pattern="gpt4")
def counts_kept_from_the_task_before(patch: Patch) -> None:
    patch.setattr(Counter, "reset", lambda self: None)


@fault(fast_counting.test_a_hash_table_numbers_keys_as_a_dict_does, "fast")
def hash_taken_for_the_key(patch: Patch) -> None:
    patch.setattr("tokenizer.fast.units.HashTable._equal", lambda self, numbers, key: numbers >= 0)
    patch.setattr("tokenizer.fast.units.HashTable._places", lambda self, key: np.zeros(len(key[0]), np.int64))


@fault(fast_encoding.test_ids_are_those_of_the_readable_form, "fast")
def ids_of_the_unit_before(patch: Patch) -> None:
    real = Encoder._append

    def shifted(self: Encoder, ids: Any, many: Any) -> None:
        real(self, ids, np.roll(many, 1))

    patch.setattr(Encoder, "_append", shifted)


@fault(fast_encoding.test_decoding_an_array_gives_the_bytes_of_the_readable_form, "fast")
def tails_written_first_to_last(patch: Patch) -> None:
    patch.setattr("tokenizer.fast.decode.Decoder._write_tails", lambda *args: None)


@fault(fast_encoding.test_a_full_memory_is_forgotten_and_nothing_else, "fast")
def numbers_kept_when_the_memory_is_forgotten(patch: Patch) -> None:
    real = Encoder._forget

    def half(self: Encoder) -> None:
        index = getattr(self, "_index", None)
        real(self)
        self._index = index or self._index

    patch.setattr(Encoder, "_forget", half)


@fault(
    fast_encoding.test_an_interrupted_encode_spoils_nothing_that_comes_after,
    "fast",
    error=MemoryError,
    place="Encoder._learn",
)
def what_an_interrupt_left_half_done_kept(patch: Patch) -> None:
    patch.setattr(Encoder, "_unfinished", property(lambda self: False, lambda self, value: None), raising=False)


def change_rules(patch: Patch, pattern: str, **changes: Any) -> None:
    """Put other rules for a pattern, and forget the tables made from the right ones."""
    patch.setitem(RULES, pattern, replace(RULES[pattern], **changes))
    cutter.cache_clear()


@pytest.mark.usefixtures("few_surprises")
@pytest.mark.parametrize(("mistake", "catcher", "form_name", "settled"), FAULTS)
def test_the_fault_is_caught(
    mistake: Callable[[Patch], None],
    catcher: Callable[..., None],
    form_name: str,
    settled: dict[str, Any],
    request: pytest.FixtureRequest,
    monkeypatch: Patch,
) -> None:
    wanted = [name for name in inspect.signature(catcher).parameters if name not in settled]
    fixtures = {name: request.getfixturevalue(name) for name in wanted}
    for name in ("SHORT", "LONG", "FEW"):
        monkeypatch.setattr(f"tokenizer.coder.{name}", 1)  # the fast form for short texts too
    mistake(monkeypatch)
    noticed = (AssertionError, IndexError, StopIteration, ExceptionGroup, pytest.fail.Exception)  # a group: several
    with use_form(form_name), pytest.raises(noticed):
        catcher(**fixtures, **settled)
