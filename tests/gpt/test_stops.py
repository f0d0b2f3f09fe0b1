"""Stop strings: the same text is shown wherever the bytes are cut into tokens, and never half of anything."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinylm.stops import StopStrings
from tokenizer import CharTokenizer, Tokenizer, train_bpe

TEXT = "the end. The END, and the\nend of it: été, 日本, 😀!\n" * 3
BYTES = Tokenizer.from_merges({i: bytes([i]) for i in range(256)}, [])
KINDS = {"bytes": BYTES, "bpe": train_bpe([TEXT], 285), "char": CharTokenizer(TEXT)}
LETTERS = st.text("ab€\n", max_size=30)
STRINGS = st.lists(st.text("ab€\n", min_size=1, max_size=4), max_size=4)


class Cut:
    """A tokenizer whose tokens are these pieces."""

    def __init__(self, pieces):
        self.vocab = dict(enumerate(pieces))

    def decode_bytes(self, ids):
        return b"".join(self.vocab[i] for i in ids)


def pieces(data, cuts):
    ends = sorted({c % (len(data) + 1) for c in cuts} | {0, len(data)})
    return [data[a:b] for a, b in itertools.pairwise(ends)]


def first_stop(data, strings):
    """Where the text ends and which string ended it, by looking at every end from the beginning on."""
    for end in range(len(data) + 1):
        came = [s for s in strings if data[:end].endswith(s.encode())]
        if came:
            string = max(came, key=lambda s: len(s.encode()))
            return end - len(string.encode()), string
    return len(data), None


@given(LETTERS, STRINGS, st.lists(st.integers(0, 90), max_size=12))
def test_the_text_shown_is_the_same_for_every_way_to_cut_it(text, strings, cuts):
    data = text.encode()
    parts = pieces(data, cuts)
    stops = StopStrings(strings, Cut(parts))
    shown = "".join(stops.feed(i) for i in range(len(parts))) + stops.flush()
    end, string = first_stop(data, strings)
    assert shown == data[:end].decode()
    assert stops.stopped == string


@given(LETTERS, STRINGS, st.lists(st.integers(0, 90), max_size=12))
def test_after_every_token_as_much_is_shown_as_may_be(text, strings, cuts):
    parts = pieces(text.encode(), cuts)
    stops, shown, data = StopStrings(strings, Cut(parts)), "", b""
    for i, part in enumerate(parts):
        shown += stops.feed(i)
        data += part
        end, string = first_stop(data, strings)
        if string is None:
            begun = [e for s in strings for e in range(len(data)) if s.encode().startswith(data[e:])]
            end = min(begun, default=len(data))
        assert shown == data[:end].decode(errors="ignore"), "a character that is not whole waits"
        assert stops.stopped == string


@given(st.binary(max_size=12), st.lists(st.integers(0, 90), max_size=6))
def test_bytes_that_are_no_text_are_shown_as_decoding_all_of_them_shows_them(data, cuts):
    parts = pieces(data, cuts)
    stops = StopStrings(["abc"], Cut(parts))
    shown = "".join(stops.feed(i) for i in range(len(parts))) + stops.flush()
    assert shown == data[: first_stop(data, ["abc"])[0]].decode(errors="replace")


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_every_kind_of_tokenizer_is_stopped_at_the_same_place(kind, data):
    first, n = data.draw(st.integers(0, 40)), data.draw(st.integers(1, 5))
    string, text = TEXT[first : first + n], TEXT[: first + n + 9]
    stops = StopStrings([string], KINDS[kind])
    shown = "".join(stops.feed(i) for i in KINDS[kind].encode(text)) + stops.flush()
    assert shown == text[: text.index(string)]
    assert stops.stopped == string
    assert stops.feed(KINDS[kind].encode("end")) == stops.flush() == "", "after a stop string nothing is shown"


def test_several_ids_may_be_fed_at_once_and_arrays_too():
    tok = KINDS["bpe"]
    ids = tok.encode("and the end")
    stops = StopStrings(["end"], tok)
    assert stops.feed(np.array(ids[:2])) + stops.feed(ids[2:]) == "and the "


def test_a_character_that_the_prompt_left_unfinished_ends_in_the_text():
    euro = list("€".encode())
    stops = StopStrings(["€"], BYTES, prompt=[97, *euro[:1]])
    assert [stops.feed(i) for i in (*euro[1:], 98)] == ["", "€", "b"], "the stop string is looked for in the text only"


def test_without_stop_strings_only_unfinished_characters_wait():
    stops = StopStrings([], BYTES)
    assert [stops.feed(i) for i in "aé".encode()] == ["a", "", "é"]
    assert stops.feed("€".encode()[0]) == ""
    assert stops.flush() == "\ufffd"


@pytest.mark.parametrize(
    ("strings", "message"),
    [
        ("end", r"a list, as in \['end'\]; got one string"),
        (["a", ""], "a text of one character or more, got ''"),
        ([b"end"], "a text of one character or more, got b'end'"),
        (["\ud800"], "half a surrogate pair"),
    ],
)
def test_what_is_no_stop_string_is_refused(strings, message):
    with pytest.raises(ValueError, match=message):
        StopStrings(strings, BYTES)


def test_an_id_that_the_tokenizer_lacks_is_told():
    with pytest.raises(ValueError, match="999"):
        StopStrings([], BYTES).feed(999)
