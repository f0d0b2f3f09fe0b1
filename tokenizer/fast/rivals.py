"""What may yet become of two neighbours in a word, as tables of ranks; knows nothing of words."""

import numpy as np
from numpy.typing import NDArray

from tokenizer.fast.pairs import BITS, NONE, Ints, PairTable, StaticTable

MOST = 1 << (BITS - 1)  # entries of one side that are kept; beyond, the vocabulary is too deep for such tables


class Rivals:
    """For two neighbours u|v: the lowest ranks of merges across the line between them, now and later.

    rank        of the pair (u, v) itself
    from_left   least rank of (t, v) over all tokens t that u may be the last part of, u itself included:
                what may still take v, as long as v is as it is
    from_right  least rank of (u, t) over all tokens t that v may be the first part of, v itself included

    "Last part" follows the merges, not the bytes: u is t, or the last part of the right half of a merge that
    makes t. Nothing is assumed of the order of the merges, nor that a token is made by one merge only.
    """

    def __init__(self, pairs: PairTable) -> None:
        """Raises OverflowError for a vocabulary that would need more than 2^20 entries of one side."""
        self._merges = pairs
        left, right = pairs.left, pairs.right
        sides = least_ranks(left, right, right, pairs.made), least_ranks(right, left, left, pairs.made)
        (from_left, least_left), (swapped, least_right) = sides
        from_right = (swapped & NONE) << BITS | swapped >> BITS
        keys = np.unique(np.concatenate([from_left, from_right]))
        if len(keys) >= NONE:
            raise OverflowError("too many neighbours")
        self._table = StaticTable(keys, np.arange(len(keys)))
        self._ranks = np.full((3, len(keys) + 1), NONE)  # the last one is for neighbours that never merge
        pair_keys = left << BITS | right
        for row, some, values in zip(
            self._ranks,
            (pair_keys, from_left, from_right),
            (np.arange(len(left)), least_left, least_right),
            strict=True,
        ):
            row[self._table.find(some >> BITS, some & NONE)] = values
        self.quiet = self._quiet()

    def find(self, left: Ints, right: Ints) -> tuple[Ints, Ints, Ints]:
        """rank, from_left and from_right of each two neighbours; NONE where nothing merges them."""
        place = self._table.find(left, right)
        np.minimum(place, self._ranks.shape[1] - 1, out=place)
        rank, from_left, from_right = self._ranks
        return rank[place], from_left[place], from_right[place]

    def _quiet(self) -> NDArray[np.bool_]:
        """By rank: whether the token that the merge makes takes part in later merges only, as in all trained
        vocabularies; so that making it too early tempts nobody."""
        pairs = self._merges
        used = np.full(pairs.outside, NONE)
        np.minimum.at(used, pairs.left, np.arange(len(pairs.left)))
        np.minimum.at(used, pairs.right, np.arange(len(pairs.left)))
        quiet: NDArray[np.bool_] = used[pairs.made] > np.arange(len(pairs.made))
        return quiet


def least_ranks(near: Ints, other: Ints, inner: Ints, made: Ints) -> tuple[Ints, Ints]:
    """Of the merges of `near` with `other`: (a part at the edge of near, other) as key -> the least rank.

    The parts of a token at this edge are itself, and those of the `inner` half of each merge that makes it.
    """
    makers = np.argsort(made, kind="stable")
    n_makers = np.bincount(made, minlength=int(max(near.max(initial=0), inner.max(initial=0))) + 1)
    first = np.cumsum(n_makers) - n_makers
    level = np.sort((near << BITS | other) << BITS | np.arange(len(near)))
    levels = [level]
    found = 0
    while len(level):
        found += len(level)
        if found > MOST:
            raise OverflowError("tokens too deep")
        part = level >> 2 * BITS
        held = n_makers[part]
        which = np.repeat(np.arange(len(level)), held)
        turn = np.arange(len(which)) - np.repeat(np.cumsum(held) - held, held)
        halves = inner[makers[first[part[which]] + turn]]
        level = least(halves << 2 * BITS | level[which] & ((1 << 2 * BITS) - 1))
        levels.append(level)
    together = least(np.concatenate(levels))
    return together >> BITS, together & NONE


def least(entries: Ints) -> Ints:
    """Of the entries `key << BITS | rank`, for each key the one of least rank, by key."""
    entries = np.sort(entries)
    keys = entries >> BITS
    return entries[np.concatenate([[True], keys[1:] != keys[:-1]])] if len(keys) else entries
