"""Ranges of characters as rectangles of bytes: every character of the range in one of them, and nothing else."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinylm.constrain.utf8 import LAST, byte_ranges

EDGES = [0, 0x7F, 0x80, 0x7FF, 0x800, 0xFFF, 0x1000, 0xD7FF, 0xD800, 0xDFFF, 0xE000, 0xFFFF, 0x10000, 0x3FFFF, LAST]
near = st.builds(lambda edge, more: min(edge + more, LAST), st.sampled_from(EDGES), st.integers(0, 70))
codes = st.integers(0, LAST) | st.sampled_from(EDGES) | near


def holds(rectangles, data: bytes) -> int:
    return sum(
        len(one) == len(data) and all(low <= byte <= high for (low, high), byte in zip(one, data, strict=True))
        for one in rectangles
    )


@given(codes, codes, st.lists(codes, max_size=20))
def test_a_character_lies_in_one_rectangle_if_it_is_in_the_range_and_else_in_none(a, b, others):
    first, last = sorted((a, b))
    rectangles = list(byte_ranges(first, last))
    for code in [first, last, max(first - 1, 0), min(last + 1, LAST), *others]:
        if not 0xD800 <= code <= 0xDFFF:
            assert holds(rectangles, chr(code).encode()) == (first <= code <= last)


@given(codes, codes)
def test_the_rectangles_have_as_many_strings_of_bytes_as_the_range_has_characters(a, b):
    first, last = sorted((a, b))
    size = sum(math.prod(high - low + 1 for low, high in one) for one in byte_ranges(first, last))
    surrogates = max(0, min(last, 0xDFFF) - max(first, 0xD800) + 1)
    assert size == last - first + 1 - surrogates


@pytest.mark.parametrize("first", [0, 0x80, 0xD800])
def test_they_come_in_rising_order(first):
    rectangles = list(byte_ranges(first, LAST))
    lowest = [bytes(low for low, _ in one) for one in rectangles]
    assert lowest == sorted(lowest)
    assert len(rectangles) <= 9, "as few as UTF-8 allows, so that automata stay small"
