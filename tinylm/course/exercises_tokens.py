"""Exercises on text and its tokens: UTF-8 by hand, merges in the order of their rank, decoding, offsets."""

from collections.abc import Mapping

from tinylm.course.exercise import Case, Exercise, case, register
from tokenizer.decode import decode_bytes, decode_text, decode_with_offsets
from tokenizer.encode import encode_word

BYTES = {0: b"\xe2\x82", 1: b"\xac", 2: b"5", 3: b" ", 4: b"\xc3", 5: b"\xa9t\xc3", 6: b"\xff"}


def _with_vocab(*several: list[int]) -> list[Case]:
    """A case for each list of ids, with the part of the vocabulary that it needs."""
    return [case(ids, {i: BYTES[i] for i in sorted(set(ids))}) for ids in several]


register(
    Exercise(
        "utf8",
        "Return, as a list of numbers, the UTF-8 bytes of the character with this number: one byte below 128, two "
        "below 2048, three below 65536, else four.",
        reference=lambda number: list(chr(number).encode("utf-8")),
        cases=map(case, [65, 233, 0, 127, 128, 2047, 2048, 8364, 65533, 65536, 128512, 1114111]),
    )
)

register(
    Exercise(
        "merge_word",
        "Merge a word, given as a list of ids: always the pair of lowest rank, the leftmost where it occurs twice, "
        "until no pair of neighbours has a merge. `ranks` maps (left, right) to (rank, id of the new token).",
        reference=encode_word,
        cases=[
            case([], {(1, 2): (0, 9)}),
            case([1], {(1, 2): (0, 9)}),
            case([1, 2], {(1, 2): (0, 9)}),
            case([2, 1], {(1, 2): (0, 9)}),
            case([1, 1, 1], {(1, 1): (0, 9)}),
            case([1, 1, 1, 1], {(1, 1): (0, 9), (9, 9): (1, 10)}),
            case([1, 2, 3], {(1, 2): (1, 9), (2, 3): (0, 8)}),
            case([1, 2, 3], {(1, 2): (0, 9), (9, 3): (1, 8)}),
            case([1, 2, 1, 2], {(9, 9): (0, 8), (1, 2): (1, 9)}),
            case([1, 2, 3, 1, 2], {(1, 2): (2, 7), (2, 3): (1, 8), (3, 1): (0, 9)}),
        ],
    )
)


def _decode(ids: list[int], vocab: Mapping[int, bytes]) -> str:
    return decode_text(decode_bytes(ids, vocab), "replace")


register(
    Exercise(
        "decode",
        "Return the text of a list of ids; `vocab` maps an id to its bytes. A character may begin in one token and "
        'end in the next; bytes that are not UTF-8 become U+FFFD, as bytes.decode("utf-8", "replace") does it.',
        reference=_decode,
        cases=_with_vocab([], [2], [0, 1], [2, 3, 2], [0], [6, 2], [4, 5, 1], [1, 0]),
    )
)

register(
    Exercise(
        "offsets",
        "Return for each id the number of the character, in the decoded text, that the id's first byte belongs to; "
        "`vocab` maps an id to its bytes, none of them empty.",
        reference=lambda ids, vocab: decode_with_offsets(ids, vocab)[1],
        cases=[
            *_with_vocab([], [2], [2, 2], [0, 1], [2, 0, 1, 2], [0, 1, 0, 1], [4, 5, 5, 1]),
            case([0, 1, 2, 0, 1, 2], {0: b"a\xf0\x9f", 1: b"\x98", 2: b"\x80bc"}),
        ],
    )
)
