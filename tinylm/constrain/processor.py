"""A regular expression as a logits processor: no token is chosen after which no match is possible; knows no model."""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Protocol

import numpy as np

from tinylm.constrain.automaton import DEAD, Automaton
from tinylm.constrain.parse import written
from tinylm.constrain.trie import Trie

__all__ = ["Regex", "Vocabulary"]

MASKS, STEPS = (
    256,
    65_536,
)  # how many are remembered: V bytes each (13 MB for SmolLM2's vocabulary), some 150 bytes each
ENDED = -1  # the state after a stop id

Array = np.ndarray


class Vocabulary(Protocol):
    """What is asked of a tokenizer."""

    @property
    def vocab(self) -> Mapping[int, bytes]: ...
    @property
    def special_tokens(self) -> Mapping[str, int]: ...


class Regex:
    """Allows the tokens after which the text can still become a match, and a stop id exactly where it is one.

        token: where text + token is the beginning of a match that further tokens can complete
        stop:  where text is a match

    pattern      in the subset of parse.py, which matches as Python's re.fullmatch under re.ASCII; a str is about
                 characters in UTF-8, which tokens may cut anywhere, bytes are about bytes
    tokenizer    whatever has `vocab` and `special_tokens`: a token is the bytes that it has in vocab; special tokens
                 are never text
    stops        the ids that end a text; they are never text either. A CharTokenizer has no end id of its own: the id
                 of its line end may serve

    The text is what comes after the prompt, ids[start:]. It begins with a space wherever the first token does, as it
    mostly does after "Answer:" and does not after a line end; a pattern that begins with " ?" takes both. The tokens of
    a SentencePiece vocabulary too have their space in `vocab`: only what decodes a whole text drops the first one.

    A mask takes one walk over the tree of the vocabulary (Trie), some milliseconds for 49,152 tokens, and is remembered
    for the automaton's state. A text that a stop id ended is a match; one that max_new_tokens cut may be none yet.

    Raises ValueError for a pattern that is none or too large, where there is no stop id, and where no text of these
    tokens is a match; and while generating, where the automaton grows beyond its limit (automaton.py).

        yes|no                                            one of two answers
         ?\\d+(, \\d+)*                                     whole numbers, after a space or none
        \\+[1-9]\\d{0,2} \\(\\d{2,4}\\) \\d{3,4}-\\d{3,5}       a phone number: +49 (30) 1234-567

    >>> from tokenizer import CharTokenizer
    >>> tok = CharTokenizer("yes or no:\\n")
    >>> regex = Regex("yes|no", tok, stops=tok.encode("\\n"))
    >>> [tok.decode(regex.allowed(tok.encode(text))) for text in ("", "n", "no")]
    ['ny', 'o', '\\n']
    >>> logits = np.zeros(tok.vocab_size)
    >>> tok.decode([int(regex(logits, tok.encode("or: ye"), 4).argmax())])
    's'
    """

    name = "regex"

    def __init__(self, pattern: str | bytes, tokenizer: Vocabulary, *, stops: Iterable[int]):
        self.pattern = pattern
        self.automaton = Automaton(pattern)
        self.stops = sorted({int(i) for i in ([stops] if isinstance(stops, int | np.integer) else stops)})
        if not self.stops or self.stops[0] < 0:
            raise ValueError(
                f"stops must be ids that end a text, from 0 up, and at least one, else no match could end; got "
                f'{self.stops}; type stops=[tokenizer.special_tokens["<|endoftext|>"]], or what your tokenizer has'
            )
        never = {*self.stops, *tokenizer.special_tokens.values()}
        self.tokens = {i: token for i, token in tokenizer.vocab.items() if token and i not in never}
        self.trie = Trie(self.tokens)
        self._spelled = self.automaton.nfa.reaching(token[0] for token in self.tokens.values() if len(token) == 1)
        self._completes = {DEAD: False}
        if not self.completes(self.automaton.start):
            raise ValueError(self._why_not())
        self.mask = lru_cache(maxsize=MASKS)(self._mask)
        self._step = lru_cache(maxsize=STEPS)(lambda state, i: self.automaton.step(state, self.tokens[i]))

    def __call__(self, logits: Array, ids: Sequence[int], start: int) -> Array:
        """The logits with −∞ for each id that is not allowed.  logits: (V,)   ids: prompt, ids[:start], and text

        Raises ValueError for a text that is no beginning of a match, and for a model that has fewer ids than tokens.
        """
        mask = self.mask(self.state(ids[start:]))
        if len(logits) < len(mask):
            raise ValueError(f"regex: the model has {len(logits)} ids, the tokens and stops go up to {len(mask) - 1}")
        allowed = np.zeros(len(logits), bool)  # a model may have some ids more, which are no tokens
        allowed[: len(mask)] = mask
        return np.where(allowed, logits, -np.inf)

    def state(self, text: Sequence[int]) -> int:
        """The automaton's state after these ids, or ENDED; raises ValueError if they are no beginning of a match."""
        at = self.automaton.start
        for place, i in enumerate(text):
            if i in self.stops:
                after = ENDED if at == ENDED or self.automaton.accepts(at) else DEAD
            else:
                after = self._step(at, int(i)) if at != ENDED and i in self.tokens else DEAD
            if not after:
                what = repr(self.tokens[i]) if i in self.tokens else "no text"
                raise ValueError(
                    f"regex: with id {i}, {what}, at place {place} the text is no beginning of a match of "
                    f"{written(self.pattern)}; `start` must be the length of the prompt"
                )
            at = after
        return at

    def allowed(self, text: Sequence[int]) -> list[int]:
        """The ids that may come after this text, in rising order."""
        found: list[int] = np.flatnonzero(self.mask(self.state(text))).tolist()
        return found

    def matches(self, text: Sequence[int]) -> bool:
        """Whether this text is a match, with a stop id behind it or without."""
        at = self.state(text)
        return at == ENDED or self.automaton.accepts(at)

    def completes(self, state: int) -> bool:
        """Whether tokens can make a match of a text that ends in this state of the automaton.

        They can where one of its states in the NFA comes to the end by bytes that are tokens of their own, as all are
        in a byte-level vocabulary. Otherwise the states that tokens lead to are searched for one that is known to.
        """
        if state in self._completes:
            return self._completes[state]
        came = {state: DEAD}  # each state that was met, and the one before it
        waiting = deque([state])
        while waiting:
            at = waiting.popleft()
            if self._completes.get(at) or any(self._spelled[one] for one in self.automaton.sets[at]):
                while at != DEAD:
                    self._completes[at] = True
                    at = came[at]
                return True
            for after in _distinct(self.trie.walk(self.automaton, at)):
                if after not in came and self._completes.get(after) is not False:
                    came[after] = at
                    waiting.append(after)
        self._completes.update(dict.fromkeys(came, False))
        return False

    def _mask(self, state: int) -> Array:
        """Which ids are allowed in this state.  →   (V,) of bools, which nobody may write into"""
        mask = np.zeros(max(len(self.trie.node), self.stops[-1] + 1), bool)
        if state != ENDED:
            after = self.trie.walk(self.automaton, state)
            possible = np.zeros(int(after.max(initial=0)) + 1, bool)
            for one in _distinct(after):
                possible[one] = self.completes(one)
            mask[: len(after)] = possible[after]
        if state == ENDED or self.automaton.accepts(state):
            mask[self.stops] = True
        mask.setflags(write=False)
        return mask

    def _why_not(self) -> str:
        if self.automaton.start == DEAD:
            return f"regex: no text at all is a match of {written(self.pattern)}"
        single = [one for kind in self.automaton.nfa.characters.values() for one in kind if all(a == b for a, b in one)]
        signs = sorted({bytes(a for a, _ in one) for one in single})  # those that the pattern spells
        known = set(self.tokens.values())
        lacking = [
            repr(sign.decode(errors="backslashreplace"))
            for sign in signs
            if not any(sign in token for token in known) and not all(bytes([byte]) in known for byte in sign)
        ]
        return (
            f"regex: no text that the {len(self.tokens)} tokens of this vocabulary spell is a match of "
            f"{written(self.pattern)}" + (f"; they have no {', '.join(lacking[:8])}" if lacking else "")
        )


def _distinct(states: Array) -> list[int]:
    """The states that occur, in rising order; counting takes a tenth of sorting."""
    found: list[int] = np.flatnonzero(np.bincount(states)).tolist()
    return found
