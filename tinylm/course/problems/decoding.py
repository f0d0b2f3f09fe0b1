"""Ids to bytes, to characters and their places, and to text as it comes."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from tinylm.course import drive_text
from tinylm.course.exercise import Case, case
from tinylm.course.problem import Fault, Problem, add
from tinylm.course.problems.inputs import drawn, pick, whole
from tokenizer import decode as live
from tokenizer import encode

TOKENS = (
    b"a",
    b"\xc3",
    b"\xa9",
    b"\xe2\x82",
    b"\xac",
    b"\xc3\xa9",
    b" b",
    b"\xf0\x9f",
    b"\x99\x82",
    b"\xac\xc3",
    b"\xa9\xe2\x82",
)
WORDS = ("a", "é", "€", "🙂", "b c", "\U0010ffff", "\n")


def _in_use(ids: list[int], vocab: Mapping[int, bytes]) -> dict[int, bytes]:
    """The part of a vocabulary that ids need, and one more."""
    return {i: token for i, token in vocab.items() if i in ids or i == min(vocab)}


@drawn
def decode_bytes_inputs(draw: Any) -> Case:
    from hypothesis import strategies as st

    from tinylm.testing import byte_strings

    vocab = dict(enumerate([b"a", b"\xe2\x82", b"\xac", draw(byte_strings()) or b" "], start=whole(draw, 0, 3)))
    ids = draw(st.lists(st.sampled_from(list(vocab)), max_size=5))
    if pick(draw, False, False, False, True):
        ids.insert(whole(draw, 0, len(ids)), pick(draw, 99, -1))
    return case(ids, _in_use(ids, vocab) if ids else vocab)


def _tokens_of(draw: Any, data: bytes) -> tuple[list[int], dict[int, bytes]]:
    """Bytes cut anywhere, also inside of characters, as ids and their vocabulary."""
    from tinylm.testing import split_points

    cuts = [0, *draw(split_points(data, 6)), len(data)]
    parts = [data[a:b] for a, b in pairwise(cuts) if a < b]
    known = list(dict.fromkeys(parts))
    return [known.index(part) for part in parts], dict(enumerate(known)) or {0: b"a"}


@drawn
def offsets_inputs(draw: Any) -> Case:
    from hypothesis import strategies as st

    from tinylm.testing import texts

    text = "".join(draw(st.lists(st.sampled_from(WORDS) | texts(1), max_size=5)))
    return case(*_tokens_of(draw, text.encode()))


@drawn
def stream_inputs(draw: Any) -> Case:
    from hypothesis import strategies as st

    text = "".join(draw(st.lists(st.sampled_from(WORDS), max_size=4))).encode()
    tail = pick(draw, b"", b"", b"\xe2\x82", b"\xf0\x9f", b"\xff", b"\x82")
    ids, vocab = _tokens_of(draw, text + tail)
    feeds: list[Any] = list(ids)
    if draw(st.booleans()):
        cut = whole(draw, 0, len(ids))
        feeds = [ids[:cut], *ids[cut:]]
    return case(vocab, feeds)


class AllOrNothing:
    """Holds everything back until all of it can be decoded."""

    def __init__(self, tokenizer: encode.Decodes, errors: str = "replace") -> None:
        self.tokenizer, self.errors, self.held = tokenizer, errors, b""

    def feed(self, ids: Any) -> str:
        self.held += self.tokenizer.decode_bytes([ids] if isinstance(ids, int) else ids)
        try:
            text, self.held = self.held.decode(), b""
        except UnicodeDecodeError:
            text = ""
        return text

    def flush(self) -> str:
        text, self.held = self.held.decode("utf-8", self.errors), b""
        return text


FEED = "return self._decoder.decode(self._tokenizer.decode_bytes(several))"
ERRORS = ("self._tokenizer = getattr(tokenizer", "self._errors = errors\n        self._tokenizer = getattr(tokenizer")
HALF = "A character may begin in one token and end in the next: what has to be remembered in between?"

add(
    Problem(
        "decode_bytes",
        live.decode_bytes,
        topic="tokenizer",
        level=1,
        minutes=5,
        inputs=decode_bytes_inputs,
        helpers=(live.decode_tokens,),
        notes="tokens: id → bytes. A TokenizerError is a ValueError, and a plain ValueError will do as well.",
        faults=(
            Fault("unknown_left_out", "an unknown id were left out",
                  (('b"".join(decode_tokens(ids, tokens))', 'b"".join(tokens.get(i, b"") for i in ids)'),),
                  "What should come of an id that nobody knows?"),
            Fault("counted_from_the_end", "the id −1 were the last of the vocabulary",
                  (('b"".join(decode_tokens(ids, tokens))',
                    'b"".join(decode_tokens([max(tokens) if i == -1 else i for i in ids], tokens))'),),
                  "No id is negative."),
            Fault("repeats_lost", "an id that comes again were left out",
                  (('b"".join(decode_tokens(ids, tokens))', 'b"".join(decode_tokens(dict.fromkeys(ids), tokens))'),),
                  "Try an id twice."),
            Fault("blanks", "there were a blank between two tokens", (('b"".join(', 'b" ".join('),),
                  "Tokens have their blanks in them."),
            Fault("by_place", "ids were places in the vocabulary and not its keys",
                  (('b"".join(decode_tokens(ids, tokens))',
                    'b"".join(decode_tokens(ids, dict(enumerate(tokens.values()))))'),),
                  "tokens is a mapping: id → bytes."),
            Fault("valid_only", "bytes that are not UTF-8 were lost",
                  (('b"".join(decode_tokens(ids, tokens))',
                    'b"".join(decode_tokens(ids, tokens)).decode("utf-8", "ignore").encode()'),),
                  "Bytes are bytes: nothing is decoded."),
        ),
    ),
    Problem(
        "decode_with_offsets",
        live.decode_with_offsets,
        topic="tokenizer",
        level=2,
        minutes=30,
        inputs=offsets_inputs,
        corners=(case([0, 1, 2], {0: b"\xc3", 1: b"\x80", 2: b"\x7f"}),),  # À, whose second byte is the least there is
        helpers=(live._begins,),
        needs=("decode_bytes",),
        notes="The bytes of all ids together are always UTF-8, and no id has none.",
        faults=(
            Fault("in_bytes", "offsets counted bytes and not characters", (("sum(map(_begins, part))", "len(part)"),),
                  "How many characters are the three bytes of “€”?"),
            Fault("inside_after", "an id that begins inside of a character belonged to the character after it",
                  (("count - (not _begins(part[0]))", "count"),),
                  "To which character does the id's first byte belong?"),
            Fault("at_the_end", "offsets were those of the end of an id",
                  (("zip(begun, parts, strict=False)", "zip(list(begun)[1:], parts, strict=False)"),),
                  "It is the first byte that counts."),
            Fault("each_alone", "each id were decoded alone, so that halves of characters are lost",
                  (('decode_text(b"".join(parts), "strict")',
                    '"".join([part.decode("utf-8", "replace") for part in parts])'),
                   ("sum(map(_begins, part)) for", 'len(part.decode("utf-8", "replace")) for'),
                   ("count - (not _begins(part[0]))", "count")), HALF),
            Fault("counted_alone", "the characters before an id were counted in ids that are decoded each alone",
                  (("sum(map(_begins, part)) for", 'len(part.decode("utf-8", "replace")) for'),
                   ("count - (not _begins(part[0]))", "count")), HALF),
            Fault("whole_only", "only ids that end a character moved the offset on",
                  (("sum(map(_begins, part)) for", 'len(part.decode("utf-8", "ignore")) for'),
                   ("count - (not _begins(part[0]))", "count")), HALF),
            Fault("above_127", "every byte above 127 were inside of a character",
                  (("0x80 <= byte < 0xC0", "0x80 <= byte"),),
                  "How does the first byte of a character look, in bits, and how do the others?"),
        ),
    ),
    Problem(
        "StreamDecoder",
        encode.StreamDecoder,
        topic="tokenizer",
        level=2,
        minutes=30,
        inputs=stream_inputs,
        drive=drive_text.streamed,
        needs=("decode_bytes",),
        imports=("import codecs",),
        notes="tokenizer.decode_bytes(list of ids) gives the bytes. After flush the decoder can be used again.",
        faults=(
            Fault("each_feed_alone", "each feed were decoded alone, so that halves of characters are lost",
                  (ERRORS, (FEED, 'return self._tokenizer.decode_bytes(several).decode("utf-8", self._errors)')),
                  HALF),
            Fault("each_id_alone", "each id were decoded alone, so that halves of characters are lost",
                  (ERRORS,
                   (FEED,
                    'decoded = [self._tokenizer.decode_bytes([i]).decode("utf-8", self._errors) for i in several]\n'
                    '        return "".join(decoded)')),
                  HALF),
            Fault("halves_dropped", "bytes that are no whole character were left out",
                  (('("utf-8")(errors)', '("utf-8")("ignore")'),), "What does errors=\"replace\" put for them?"),
            Fault("flush_forgotten", "flush returned nothing",
                  (('text = self._decoder.decode(b"", final=True)', 'text = ""'),),
                  "What if the text ends within a character?"),
            Fault("flush_keeps", "what flush returned were still there afterwards",
                  (('text = self._decoder.decode(b"", final=True)',
                    'state = self._decoder.getstate()\n        text = self._decoder.decode(b"", final=True)'),
                   ("        self._decoder.reset()\n", "        self._decoder.setstate(state)\n")),
                  "After flush it starts anew."),
            Fault("all_or_nothing", "characters waited for those behind them", (),
                  "Feed “a” and half an “é” at once: the “a” is whole.", AllOrNothing),
            Fault("at_the_end", "all text came at the flush",
                  ((FEED,
                    'self._held = getattr(self, "_held", b"") + self._tokenizer.decode_bytes(several)\n'
                    '        return ""'),
                   ('text = self._decoder.decode(b"", final=True)',
                    'text = self._decoder.decode(self.__dict__.pop("_held", b""), final=True)')),
                  "Whole characters come at once."),
        ),
    ),
)  # fmt: skip
