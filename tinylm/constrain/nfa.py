"""A tree of a regular expression as an automaton over bytes that may be in several states at once (Thompson 1968)."""

from collections.abc import Iterable
from itertools import accumulate

from tinylm.constrain.parse import Chars, Either, Node, Repeat, parse
from tinylm.constrain.utf8 import ByteRanges, byte_ranges

__all__ = ["LARGEST", "NFA", "Edge"]

LARGEST = 200_000  # states, edges and jumps of one automaton together: some 20 MB
Edge = tuple[int, int, int]  # first byte, last byte, the state that they lead to


class NFA:
    """States with edges, each taken by reading one byte, and jumps, which are free.

    edges, jumps    for each state, where they lead
    start, end      a text matches where some way from start to end reads all of its bytes
    characters      each set of characters that the pattern names, as ranges of code points, and its bytes

    It is built from the end backwards, so that every part knows what comes after it. A repetition is written out:
    a{2,4} is a, a, and an a that may be left out, behind which there is another.

    Raises ValueError for a pattern that is none (parse.py) and for one that grows beyond LARGEST.
    """

    def __init__(self, pattern: str | bytes):
        self.pattern = pattern
        self.edges: list[list[Edge]] = []
        self.jumps: list[list[int]] = []
        self._size = 0
        self.characters: dict[tuple[tuple[int, int], ...], list[ByteRanges]] = {}
        self.end = self._state([], [])
        self.start = self._build(parse(pattern), self.end)

    def _state(self, edges: list[Edge], jumps: list[int]) -> int:
        self._size += 1 + len(edges) + len(jumps)
        if self._size > LARGEST:
            raise ValueError(
                f"the regular expression needs an automaton of more than {LARGEST} states and edges, repetitions "
                f"written out; make its numbers smaller, or use * and +"
            )
        self.edges.append(edges)
        self.jumps.append(jumps)
        return len(self.edges) - 1

    def _build(self, node: Node, after: int) -> int:
        """Add the states of this part, which go on to `after`; returns the one to enter by."""
        if isinstance(node, Chars):
            return self._characters(node.ranges, after)
        if isinstance(node, Either):
            return self._state([], [self._build(option, after) for option in node.options])
        if isinstance(node, Repeat):
            return self._repeat(node, after)
        for part in reversed(node.parts):
            after = self._build(part, after)
        return after

    def _repeat(self, node: Repeat, after: int) -> int:
        enter, copies = after, node.most or node.least
        if node.most is None:
            again = self._state([], [after])
            enter = self._build(node.item, again)
            self.jumps[again].append(enter)
            enter, copies = (enter, copies - 1) if node.least else (again, 0)
        for copy in range(copies):  # from the last to the first
            before = self._build(node.item, enter)
            if before == enter:  # the item is empty: no copy of it, of however many, makes a difference
                break
            may_be_left_out = node.most is not None and copy < node.most - node.least
            enter = self._state([], [before, after]) if may_be_left_out else before
        return enter

    def _characters(self, ranges: tuple[tuple[int, int], ...], after: int) -> int:
        """One character, byte by byte; characters whose last bytes have the same ranges share the states of these."""
        if ranges not in self.characters:
            self.characters[ranges] = (
                [((first, last),) for first, last in ranges]
                if isinstance(self.pattern, bytes)
                else [rectangle for first, last in ranges for rectangle in byte_ranges(first, last)]
            )
        states: dict[ByteRanges, int] = {}  # the one before these last bytes
        edges: list[Edge] = []
        for rectangle in self.characters[ranges]:
            at = after
            for place in range(len(rectangle) - 1, 0, -1):
                if rectangle[place:] not in states:
                    states[rectangle[place:]] = self._state([(*rectangle[place], at)], [])
                at = states[rectangle[place:]]
            edges.append((*rectangle[0], at))
        return self._state(edges, [])

    def reaching(self, spelled: Iterable[int] = range(256)) -> list[bool]:
        """For each state, whether there is a way to the end that reads none but these bytes."""
        known = set(spelled)
        count = list(accumulate((byte in known for byte in range(256)), initial=0))  # how many are below a byte
        before: list[list[int]] = [[] for _ in self.edges]
        for state, (edges, jumps) in enumerate(zip(self.edges, self.jumps, strict=True)):
            for after in jumps:
                before[after].append(state)
            for first, last, after in edges:
                if count[last + 1] > count[first]:
                    before[after].append(state)
        reached = [False] * len(self.edges)
        reached[self.end] = True
        waiting = [self.end]
        while waiting:
            for state in before[waiting.pop()]:
                if not reached[state]:
                    reached[state] = True
                    waiting.append(state)
        return reached
