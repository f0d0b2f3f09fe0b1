"""A regular expression as a table, state and byte to state, made row by row as it is needed; knows no vocabulary."""

import numpy as np

from tinylm.constrain.nfa import NFA

__all__ = ["DEAD", "Automaton"]

DEAD = 0  # the state in which no match is possible any more
STATES, HELD = 10_000, 400_000  # states, each a row of 1 KB; states of the NFA in all of them: some 3 µs each to find

Array = np.ndarray


class Automaton:
    """The deterministic automaton of a pattern over the bytes of a text (Rabin and Scott 1959), made lazily.

        table[state, byte] → state        DEAD = 0, start = 1

    A state is a set of states of the NFA: those it may be in after some text. Rows are filled by `ready`, so that a
    pattern whose full table would be huge costs no more than the states that texts lead to. States are numbered in
    the order in which they are met.

    Raises ValueError for a pattern that is none, one that needs too large an NFA (nfa.py), and, when they are met,
    for more than STATES states or more than HELD states of the NFA in them.

    >>> dates = Automaton(r"\\d{4}-\\d\\d?")
    >>> dates.matches("2026-11"), dates.matches("2026-"), dates.step(dates.start, b"2026x") == DEAD
    (True, False, True)
    """

    def __init__(self, pattern: str | bytes):
        self.pattern = pattern
        self.nfa = NFA(pattern)
        self._useful = self.nfa.reaching()
        cuts = {0} | {cut for edges in self.nfa.edges for first, last, _ in edges for cut in (first, last + 1)}
        bounds = sorted(cuts | {256})
        self._widths = np.diff(bounds)  # of the intervals of bytes that no edge tells apart
        self._interval = np.repeat(np.arange(len(self._widths)), self._widths).tolist()
        self.sets: list[tuple[int, ...]] = [()]
        self._numbers: dict[tuple[int, ...], int] = {(): DEAD}
        self._entered: dict[frozenset[int], int] = {}  # states of the NFA, before their jumps → state
        self._held = 0
        self.table = np.zeros((16, 256), np.int32)
        self._made = np.zeros(16, bool)
        self._made[DEAD] = True
        self.start = self._state(frozenset([self.nfa.start]))

    @property
    def states(self) -> int:
        """How many states have been met, the dead one included."""
        return len(self.sets)

    def accepts(self, state: int) -> bool:
        """Whether a text that ends in this state is a match."""
        return self.nfa.end in self.sets[state]

    def ready(self, states: Array) -> None:
        """Fill the rows of these states."""
        asked = np.zeros(len(self.sets), bool)
        asked[states] = True
        for state in np.flatnonzero(asked & ~self._made[: len(asked)]).tolist():
            self._fill(state)

    def step(self, state: int, data: bytes) -> int:
        """The state after these bytes."""
        for byte in data:
            if not self._made[state]:
                self._fill(state)
            state = int(self.table[state, byte])
        return state

    def matches(self, text: str | bytes) -> bool:
        """Whether the whole text is a match."""
        return self.accepts(self.step(self.start, text.encode() if isinstance(text, str) else text))

    def _fill(self, state: int) -> None:
        """The row of a state: for each byte all that the NFA can reach by it."""
        entered: list[list[int]] = [[] for _ in self._widths]
        for one in self.sets[state]:
            for first, last, after in self.nfa.edges[one]:
                for interval in range(self._interval[first], self._interval[last] + 1):
                    entered[interval].append(after)
        after_each = [self._state(frozenset(some)) for some in entered]
        self.table[state] = np.repeat(after_each, self._widths)
        self._made[state] = True

    def _state(self, entered: frozenset[int]) -> int:
        """The number of the state of those that come by jumps from these."""
        if entered not in self._entered:
            reached = self._jumped(entered)
            if reached not in self._numbers:
                self._numbers[reached] = self._new(reached)
            self._entered[entered] = self._numbers[reached]
        return self._entered[entered]

    def _jumped(self, entered: frozenset[int]) -> tuple[int, ...]:
        """What jumps lead to, these included: the states that have edges or are the end, if the end is in reach."""
        reached, waiting = set(entered), list(entered)
        while waiting:
            for after in self.nfa.jumps[waiting.pop()]:
                if after not in reached:
                    reached.add(after)
                    waiting.append(after)
        return tuple(sorted(s for s in reached if self._useful[s] and (self.nfa.edges[s] or s == self.nfa.end)))

    def _new(self, reached: tuple[int, ...]) -> int:
        self._held += len(reached)
        if len(self.sets) >= STATES or self._held > HELD:
            raise ValueError(
                f"the automaton of this regular expression has grown beyond its limit, {STATES} states, {HELD} parts "
                f"in all; many repetitions of what may be empty, (a?){{1000}}, make it large, and so does a choice to "
                f"be remembered over many places, (a|b)*a(a|b){{20}}"
            )
        self.sets.append(reached)
        if len(self.sets) > len(self.table):
            self.table = np.concatenate([self.table, np.zeros_like(self.table)])
            self._made = np.concatenate([self._made, np.zeros_like(self._made)])
        return len(self.sets) - 1
