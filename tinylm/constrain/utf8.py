"""Ranges of characters as ranges of their UTF-8 bytes; knows no pattern and no automaton."""

from collections.abc import Iterator

__all__ = ["LAST", "ByteRanges", "byte_ranges"]

ByteRanges = tuple[tuple[int, int], ...]  # one (first, last) for each byte of a character
LAST = 0x10FFFF
SAME_LENGTH = (  # code points of 1, 2, 3 and 4 bytes, without the surrogates, which have none (RFC 3629, sec. 3)
    (0x0000, 0x007F),
    (0x0080, 0x07FF),
    (0x0800, 0xD7FF),
    (0xE000, 0xFFFF),
    (0x10000, LAST),
)


def byte_ranges(first: int, last: int) -> Iterator[ByteRanges]:
    """The characters from `first` to `last`, both included, as rectangles of bytes: one range for each byte.

    A string of bytes is one of these characters exactly where one of the rectangles has each of its bytes in its
    place. They come in rising order, and no two overlap. The way of splitting is Ken Thompson's (utf8-ranges).

    >>> [[f"{a:02X}-{b:02X}" for a, b in rectangle] for rectangle in byte_ranges(0x7F, 0x7FF)]
    [['7F-7F'], ['C2-DF', '80-BF']]
    """
    for low, high in SAME_LENGTH:
        if max(first, low) <= min(last, high):
            yield from _split(chr(max(first, low)).encode(), chr(min(last, high)).encode())


def _split(first: bytes, last: bytes) -> Iterator[ByteRanges]:
    """The strings of bytes from `first` to `last`, of one length, whose later bytes run from 80 to BF."""
    if len(first) == 1:
        yield ((first[0], last[0]),)
        return
    low, high = first[0], last[0]
    least, most = b"\x80" * (len(first) - 1), b"\xbf" * (len(first) - 1)
    if low == high:
        yield from (((low, low), *rest) for rest in _split(first[1:], last[1:]))
        return
    if first[1:] != least:  # the first byte's part is not whole
        yield from (((low, low), *rest) for rest in _split(first[1:], most))
        low += 1
    whole = high if last[1:] == most else high - 1
    if low <= whole:
        yield ((low, whole), *[(0x80, 0xBF)] * len(least))
    if whole < high:
        yield from (((high, high), *rest) for rest in _split(least, last[1:]))
