"""Bytes to the places where a pattern surely ends a pre-token, by tables; knows nothing of hashing or ids."""

from functools import lru_cache

import numpy as np

from tokenizer.fast.classes import (
    CLASSES,
    Bytes,
    Indices,
    class_of_byte,
    first_classes,
    utf8_length,
)
from tokenizer.fast.rules import RULES, Rules

# Bits of the table for three characters: as first, as second and as third of a window, two rules each.
_FIRST, _SECOND, _THIRD = 0, 2, 4
_BEFORE_MIDDLE, _BEFORE_LAST = 1, 2


class Cutter:
    """The rules of one pattern as three tables from bytes to bits.

    Rule k of two characters fires between i-1 and i where bit k is set in both left[i-1] and right[i]; so
    all of them are tested by one AND. A character of several bytes has its left bits on every byte but the
    rest on its first alone, so that no window begins or ends inside it.
    """

    def __init__(self, rules: Rules) -> None:
        pairs = [*rules.between, (CLASSES, "E"), ("E", CLASSES.replace("E", ""))]
        assert len(pairs) <= 8, "one bit of a byte for each rule"
        left, right, window = np.zeros((3, len(CLASSES)), np.uint8)
        for bit, (lefts, rights) in enumerate(pairs):
            left[_codes(lefts)] |= 1 << bit
            right[_codes(rights)] |= 1 << bit
        for rule, triple in ((_BEFORE_MIDDLE, rules.before_middle), (_BEFORE_LAST, rules.before_last)):
            for place, names in zip((_FIRST, _SECOND, _THIRD), triple, strict=True):
                window[_codes(names)] |= rule << place
        self.left, self.right, self.window = left, right, window  # by class
        by_byte = np.frombuffer(class_of_byte(), np.uint8)
        ascii_only = np.zeros(256, bool)
        ascii_only[[*range(128), 255]] = True
        self._left, self._right, self._window = (
            np.where(ascii_only, table[by_byte], 0).astype(np.uint8).tobytes() for table in (left, right, window)
        )

    def __call__(self, text: bytes) -> Indices:
        """Where units begin, in order; the first is 0. Text is valid UTF-8, with 0xff between texts."""
        left = np.frombuffer(text.translate(self._left), np.uint8)
        right = np.frombuffer(text.translate(self._right), np.uint8)
        window = np.frombuffer(text.translate(self._window), np.uint8)
        begins = np.empty(len(text), np.uint8)
        begins[0] = 1
        extra = None
        if not text.isascii():
            data = np.frombuffer(text, np.uint8)
            leads = np.flatnonzero((data >= 0xC0) & (data != 0xFF))
            if len(leads):
                left, right, window = left.copy(), right.copy(), window.copy()
                extra = self._enter_wide(data, leads, left, right, window)
        np.bitwise_and(left[:-1], right[1:], out=begins[1:])
        if len(text) > 2:
            three = window[:-2] & (window[1:-1] >> _SECOND) & (window[2:] >> _THIRD)
            begins[1:-1] |= three & _BEFORE_MIDDLE
            begins[2:] |= three & _BEFORE_LAST
        if extra is not None:
            begins[extra] = 1
        return np.flatnonzero(begins != 0)

    def _enter_wide(self, data: Bytes, leads: Indices, left: Bytes, right: Bytes, window: Bytes) -> Indices:
        """Write the bits of characters of several bytes; returns the cuts of windows that have one in the middle."""
        kind = first_classes(data, leads)
        size = utf8_length()[data[leads]]
        left_bits, right_bits, window_bits = self.left[kind], self.right[kind], self.window[kind]
        first_bits = window_bits & 3
        right[leads] = right_bits
        window[leads] = first_bits | (window_bits & (3 << _THIRD))
        for i in range(4):
            here = np.flatnonzero(size > i) if i > 1 else slice(None)  # wide ones have two bytes at least
            left[leads[here] + i] = left_bits[here]
            if i:
                window[leads[here] + i] = first_bits[here]
        second_bits = (window_bits >> _SECOND) & 3
        middles = np.flatnonzero(second_bits)
        begin, end = leads[middles], leads[middles] + size[middles]
        inside = (begin > 0) & (end < len(data))
        begin, end = begin[inside], end[inside]
        fires = window[begin - 1] & second_bits[middles[inside]] & (window[end] >> _THIRD)
        return np.concatenate([begin[fires & _BEFORE_MIDDLE != 0], end[fires & _BEFORE_LAST != 0]])


def _codes(names: str) -> list[int]:
    return [CLASSES.index(name) for name in names]


@lru_cache(maxsize=8)
def cutter(pattern: str) -> Cutter:
    """The Cutter of a named pattern, made once."""
    return Cutter(RULES[pattern])
