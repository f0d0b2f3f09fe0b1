"""The bytes of a vocabulary as a tree of their beginnings, walked by an automaton level by level; knows no text."""

from collections.abc import Mapping
from itertools import pairwise

import numpy as np

from tinylm.constrain.automaton import Automaton

__all__ = ["Trie"]

Array = np.ndarray


class Trie:
    """The beginnings of all tokens, each once: what many tokens begin with is read once for all of them.

    parent, byte    (N,) of each beginning, the one that is a byte shorter, and its last byte; 0 is the empty one
    levels          where in them the beginnings of 1, 2, 3, ... bytes lie
    node            (V,) of each id, its token as one of the beginnings; 0 for ids that have no token here
    """

    def __init__(self, tokens: Mapping[int, bytes]):
        child: dict[tuple[int, int], int] = {}  # parent, byte → node, numbered as they are met
        depth = [0]
        last = {}
        for i, token in tokens.items():
            at = 0
            for byte in token:
                below = child.get((at, byte))
                if below is None:
                    below = child[at, byte] = len(depth)
                    depth.append(depth[at] + 1)
                at = below
            last[i] = at
        depths = np.array(depth)
        order = np.argsort(depths, kind="stable")
        place = np.empty_like(order)
        place[order] = np.arange(len(order))  # by level
        parents, bytes_ = np.array([(0, 0), *child]).T
        self.parent, self.byte = place[parents][order], bytes_[order]
        ends = np.cumsum(np.bincount(depths)).tolist()
        self.levels = [slice(a, b) for a, b in pairwise(ends)]
        self.node = np.zeros(max(tokens, default=-1) + 1, np.int64)
        self.node[list(last)] = place[list(last.values())]

    def walk(self, automaton: Automaton, state: int) -> Array:
        """The automaton's state after each token read from this state; DEAD for ids without one.  →   (V,)"""
        at = np.zeros(len(self.parent), np.int32)  # (N,), after each beginning
        at[0] = state
        for level in self.levels:
            before = at[self.parent[level]]
            if not before.any():
                break
            automaton.ready(before)
            at[level] = automaton.table[before, self.byte[level]]
        at[0] = 0  # the node of ids without a token
        return at[self.node]
