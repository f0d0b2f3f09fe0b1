"""The classes of characters that split patterns speak of; knows nothing of patterns or cuts.

    L letter   N number   A apostrophe   S space   T other blank   R line end   O anything else   E end of a text

E is the byte 0xff, which no UTF-8 holds: it stands between texts that are looked at together.
"""

from functools import cache

import numpy as np
import numpy.typing as npt
import regex

CLASSES = "LNASTROE"
L, N, A, S, T, R, O, E = range(8)
END = b"\xff"

Bytes = npt.NDArray[np.uint8]
Indices = npt.NDArray[np.intp]


@cache
def plane(number: int) -> Bytes:
    """The classes of one of the 17 planes of 65,536 code points, as the very `regex` module that splits text sees them.

    So a newer Unicode in that module cannot make the two disagree. Made when a character of the plane first comes:
    a hundredth of a second, where all planes together would take a third of one.
    """
    characters = "".join(map(chr, range(number << 16, (number + 1) << 16)))
    classes = np.full(1 << 16, O, np.uint8)
    for kind, expression in ((L, r"\p{L}+"), (N, r"\p{N}+"), (T, r"\s+")):
        for match in regex.finditer(expression, characters):
            classes[match.start() : match.end()] = kind
    if number == 0:
        classes[:128] = np.frombuffer(class_of_byte()[:128], np.uint8)
    return classes


def classes_of(codepoints: npt.NDArray[np.int32]) -> Bytes:
    """The class of each code point: (n,) -> (n,)."""
    classes: Bytes = plane(0)[codepoints & 0xFFFF]
    far = np.flatnonzero(codepoints > 0xFFFF)
    planes = codepoints[far] >> 16
    for number in sorted(set(planes.tolist())):
        here = far[planes == number]
        classes[here] = plane(number)[codepoints[here] & 0xFFFF]
    return classes


@cache
def class_of_byte() -> bytes:
    """The class of every ASCII byte and of 0xff; other bytes are O, and looked up by code point."""
    classes = bytearray([O] * 256)
    for kind, expression in ((L, r"\p{L}"), (N, r"\p{N}"), (T, r"\s")):
        for match in regex.finditer(expression, "".join(map(chr, range(128)))):
            classes[match.start()] = kind
    for byte, kind in ((b"'", A), (b" ", S), (b"\n", R), (b"\r", R), (END, E)):
        classes[byte[0]] = kind
    return bytes(classes)


def first_classes(text: Bytes, starts: Indices) -> Bytes:
    """The class of the character that begins at each of these places of valid UTF-8: (n,) -> (n,)."""
    return classes_of(first_codepoints(text, starts))


def first_codepoints(text: Bytes, starts: Indices) -> npt.NDArray[np.int32]:
    """The code point that begins at each of these places of valid UTF-8: (n,) -> (n,)."""
    lead = text[starts].astype(np.int32)
    codes = lead.copy()
    for size, low, bits in ((2, 0xC0, 0x1F), (3, 0xE0, 0x0F), (4, 0xF0, 0x07)):
        (here,) = np.nonzero((lead >= low) & (lead < E_LEAD[size]))
        if len(here):
            code = lead[here] & bits
            for i in range(1, size):
                code = (code << 6) | (text[starts[here] + i] & 0x3F)
            codes[here] = code
    return codes


E_LEAD = {2: 0xE0, 3: 0xF0, 4: 0xF8}  # the first lead byte that is too high for a character of so many bytes


@cache
def utf8_length() -> Bytes:
    """How many bytes a character has, by its first byte; 1 for what begins none."""
    lengths = np.ones(256, np.uint8)
    lengths[0xC0:0xE0], lengths[0xE0:0xF0], lengths[0xF0:0xF8] = 2, 3, 4
    return lengths
