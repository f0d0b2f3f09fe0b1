"""Pairs of tokens to their merges, many at a time, in static arrays; knows nothing of words."""

from collections.abc import Sequence
from functools import cached_property
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from tokenizer.encode import Ranks

Ints = NDArray[np.int64]

BITS = 21  # of a token's number and of a rank: two numbers and a rank fit in one 64-bit entry
NONE = (1 << BITS) - 1  # the rank of a pair that does not merge, above all others
EMPTY = np.uint64(2**64 - 1)  # an entry whose key is above all keys


class StaticTable:
    """A fixed map from pairs of numbers below 2^21 to numbers below 2^21, looked up without a single loop.

    Hash and displace (Belazzougui, Botelho & Dietzfelbinger 2009): a first hash gives a key its bucket, a
    second one its slot, and the slot is shifted by the bucket's own displacement, chosen once so that no two
    keys meet. A look-up is one product and two gathers, whether the key is there or not.
    """

    def __init__(self, keys: Ints, values: Ints) -> None:
        """keys: distinct, `left << BITS | right`"""
        slot_bits = max(int(2 * len(keys)).bit_length(), 6)  # from a quarter to a half of the slots are used
        bucket_bits = slot_bits - 3
        self._to_bucket, self._to_slot = np.uint64(64 - bucket_bits), np.uint64(64 - bucket_bits - slot_bits)
        self._last = np.uint64((1 << slot_bits) - 1)
        hashed = keys.astype(np.uint64)
        rng = np.random.default_rng(len(keys))
        while True:  # about one multiplier in three sends two keys of a bucket to one slot, and the next is tried
            self._factor = rng.integers(1 << 63, dtype=np.uint64) | np.uint64(1)
            shifts = place(*self._hash(hashed), 1 << bucket_bits, 1 << slot_bits, rng)
            if shifts is not None:
                break
        self._shifts = shifts
        self._entries = np.full(1 << slot_bits, EMPTY)
        self._entries[self._slots(hashed)] = hashed << np.uint64(BITS) | values.astype(np.uint64)

    def _hash(self, keys: NDArray[np.uint64]) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
        mixed = keys * self._factor
        return mixed >> self._to_bucket, (mixed >> self._to_slot) & self._last

    def _slots(self, keys: NDArray[np.uint64]) -> NDArray[np.uint64]:
        buckets, slots = self._hash(keys)
        slots ^= self._shifts[buckets.view(np.int64)]
        return slots.view(np.int64)

    def find(self, left: Ints, right: Ints) -> Ints:
        """The value of each pair, NONE where it has none."""
        keys = (left << BITS | right).view(np.uint64)
        entries = self._entries[self._slots(keys)]
        missing = (entries >> np.uint64(BITS)) != keys
        values = (entries & np.uint64(NONE)).view(np.int64)
        values[missing] = NONE
        return values


def place(
    buckets: NDArray[np.uint64], slots: NDArray[np.uint64], n_buckets: int, n_slots: int, rng: np.random.Generator
) -> NDArray[np.uint64] | None:
    """A displacement for each bucket, such that `slots ^ displacement` has no duplicates; None if that is impossible.

    The fullest buckets are placed first, while there is room; all of a size try at once, and who collides again.
    """
    held = np.bincount(buckets.astype(np.int64), minlength=n_buckets)
    order = np.argsort(buckets, kind="stable")
    starts = np.cumsum(held) - held
    shifts = np.zeros(n_buckets, np.uint64)
    taken = np.zeros(n_slots, bool)
    claims = np.empty(n_slots, np.int64)
    for size in range(int(held.max()), 0, -1):
        waiting = np.flatnonzero(held == size)
        wanted = slots[order[starts[waiting, None] + np.arange(size)]]  # (buckets of this size, size)
        inside = np.sort(wanted, axis=1)
        if (inside[:, 1:] == inside[:, :-1]).any():
            return None
        while len(waiting):
            tried = rng.integers(n_slots, size=len(waiting), dtype=np.uint64)
            places = (wanted ^ tried[:, None]).view(np.int64)
            claims[places] = np.arange(len(waiting))[:, None]
            settled = ((claims[places] == np.arange(len(waiting))[:, None]) & ~taken[places]).all(axis=1)
            taken[places[settled]] = True
            shifts[waiting[settled]] = tried[settled]
            waiting, wanted = waiting[~settled], wanted[~settled]
    return shifts


class PairTable:
    """The merges of a vocabulary, its tokens numbered anew: byte b is b, the others follow from 256.

    A rank here is a merge's place in the order of the ranks given, so ranks count from 0 without gaps.
    """

    def __init__(self, byte_ids: Sequence[int], ranks: Ranks) -> None:
        """byte_ids: the ids of the 256 bytes, all different; ids are below 2^63, and tokens fewer than 2^21"""
        pairs = np.fromiter(chain.from_iterable(ranks), np.int64, 2 * len(ranks)).reshape(-1, 2)
        becomes = np.fromiter(chain.from_iterable(ranks.values()), np.int64, 2 * len(ranks)).reshape(-1, 2)
        in_order = np.argsort(becomes[:, 0], kind="stable")
        used = np.concatenate([pairs[in_order, 0], pairs[in_order, 1], becomes[in_order, 1]])
        self.ids, numbers = number_tokens(np.array(byte_ids, np.int64), used)
        self.left, self.right, self.made = numbers.reshape(3, -1)  # (M,), by rank
        self.outside = len(self.ids)  # the number of no token
        self.sizes = token_sizes(self.left, self.right, self.made, self.outside + 1)
        self.left_size, self.right_size = self.sizes[self.left], self.sizes[self.right]  # (M,)
        self._table = StaticTable(self.left << BITS | self.right, np.arange(len(self.left)))

    def find(self, left: Ints, right: Ints) -> Ints:
        """The rank at which each pair merges, NONE where it does not."""
        return self._table.find(left, right)

    @cached_property
    def of_bytes(self) -> Ints:
        """The same for pairs of bytes, indexed by left * 256 + right."""
        table = np.full(1 << 16, NONE)
        both = np.flatnonzero((self.left < 256) & (self.right < 256))
        table[self.left[both] << 8 | self.right[both]] = both
        return table

    @cached_property
    def by_key(self) -> dict[int, int]:
        """The same as a dict, for those who look up one pair at a time: left << BITS | right -> rank."""
        return dict(zip((self.left << BITS | self.right).tolist(), range(len(self.left)), strict=True))


def number_tokens(byte_ids: Ints, used: Ints) -> tuple[Ints, Ints]:
    """The ids by number, the 256 bytes first, and the numbers of the ids in `used`."""
    ids, place = np.unique(np.concatenate([byte_ids, used]), return_inverse=True)
    number = np.full(len(ids), -1)
    number[place[:256]] = np.arange(256)
    others = np.flatnonzero(number < 0)
    number[others] = np.arange(256, len(ids))
    by_number = np.empty_like(ids)
    by_number[number] = ids
    return by_number, number[place[256:]]


def token_sizes(left: Ints, right: Ints, made: Ints, n_tokens: int) -> Ints:
    """The bytes of each token; 0 if no merges lead to it from bytes, so that it never occurs."""
    sizes = np.zeros(n_tokens, np.int64)
    sizes[:256] = sizes[-1] = 1  # what is outside of all words is a cell wide
    open_ranks = np.arange(len(made))
    while len(open_ranks):  # once for each level of the deepest token
        parts = sizes[left[open_ranks]], sizes[right[open_ranks]]
        known = (parts[0] > 0) & (parts[1] > 0)
        if not known.any():
            break
        sizes[made[open_ranks[known]]] = (parts[0] + parts[1])[known]
        open_ranks = open_ranks[~known]
    return sizes
