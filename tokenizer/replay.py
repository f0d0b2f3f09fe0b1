"""Training replayed as records: which pair won, against whom, why, and in which words; show/ draws them."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice, pairwise

from tokenizer.count import count_pretokens
from tokenizer.encode import encode_word
from tokenizer.read import Source
from tokenizer.show import page, terminal
from tokenizer.ties import Pair, tie_rule
from tokenizer.train import Merge, Rival, merge_pair, merges

# Sennrich et al. 2016, section 3.2, and everywhere since: small enough to follow by hand, and full of ties.
CLASSIC = {b"low": 5, b"lower": 2, b"newest": 6, b"widest": 3}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a pair is first met: at a byte of the word of that number, both from 0."""

    number: int
    offset: int
    word: bytes


Key = tuple[int, int] | tuple[bytes, bytes] | Place
"""What a tie rule compares: numbers, byte strings or places."""


@dataclass(frozen=True, slots=True)
class Tie:
    """The winner's count was that of `rivals` too (best first), and `rule` decided: `key` came before `rival_key`.

    and_more: there may be still more rivals of that count; nobody looked.
    """

    rule: str
    rivals: tuple[Rival, ...]
    key: Key
    rival_key: Key
    and_more: bool


@dataclass(frozen=True, slots=True)
class Sample:
    """A word that holds the pair, as tokens before and after; `made`: where in `after` the new token is."""

    word: bytes
    count: int
    before: tuple[bytes, ...]
    after: tuple[bytes, ...]
    made: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Round:
    """One merge of training with its rivals, the tie that it won, if it was one, and its most frequent words."""

    merge: Merge
    tie: Tie | None
    samples: tuple[Sample, ...]


class Corpus:
    """Counted words, merged as far as the replay has come; what a tie rule may look at (ties.Corpus)."""

    def __init__(self, counts: Mapping[bytes, int]) -> None:
        self.tokens = [bytes([byte]) for byte in range(256)]  # id -> bytes
        self.words = list(counts)
        self._by_count = sorted(counts.items(), key=lambda item: -item[1])
        self._ranks: dict[Pair, tuple[int, int]] = {}

    def split(self, word: bytes) -> list[int]:
        """The ids of a word after the merges so far."""
        return encode_word(word, self._ranks)

    def first(self, pair: Pair) -> tuple[int, int]:
        """Where the pair is first met: (number of the word, offset in it in bytes)."""
        joined = self.tokens[pair[0]] + self.tokens[pair[1]]
        for number, word in enumerate(self.words):
            offset = 0
            for here in pairwise(self.split(word)) if joined in word else ():
                if here == pair:
                    return number, offset
                offset += len(self.tokens[here[0]])
        raise LookupError(f"{pair} is nowhere in the corpus")

    def key(self, rule: str, pair: Pair) -> Key:
        """What the rule compares, in a form to be shown."""
        if rule == "greatest_bytes":  # its own key holds negated bytes
            return self.tokens[pair[0]], self.tokens[pair[1]]
        left, right = tie_rule(rule)(pair, self)
        return Place(left, right, self.words[left]) if rule == "first_seen" else (left, right)

    def samples(self, merge: Merge) -> Iterator[Sample]:
        """The words that the merge changes, the most frequent first."""
        for word, count in self._by_count:
            ids = self.split(word) if merge.token_bytes in word else []
            if merge.pair not in pairwise(ids):
                continue
            after = merge_pair(ids, merge.pair, merge.token)
            spelled = [self.tokens[i] if i < len(self.tokens) else merge.token_bytes for i in after]
            made = tuple(place for place, i in enumerate(after) if i == merge.token)
            yield Sample(word, count, tuple(self.tokens[i] for i in ids), tuple(spelled), made)

    def apply(self, merge: Merge) -> None:
        """Make the merge, everywhere."""
        self.tokens.append(merge.token_bytes)
        self._ranks[merge.pair] = merge.rank, merge.token


def replay(
    counts: Mapping[bytes, int],
    n_merges: int | None = None,
    *,
    tie_break: str = "huggingface",
    rivals: int = 3,
    samples: int = 3,
) -> Iterator[Round]:
    """Train, yielding one Round for each merge; the merges, and the errors, are those of `merges`.

    >>> first = next(replay(CLASSIC))
    >>> first.merge.token_bytes, first.merge.count, [rival.left + rival.right for rival in first.tie.rivals]
    (b'es', 9, [b'st'])
    >>> first.samples[0].before, first.samples[0].after
    ((b'n', b'e', b'w', b'e', b's', b't'), (b'n', b'e', b'w', b'es', b't'))
    """
    look = rivals + 1 if rivals >= 0 else rivals  # one more than is shown, to know of every tie
    return _rounds(merges(counts, n_merges, tie_break=tie_break, rivals=look), Corpus(counts), tie_break, look, samples)


def _rounds(stream: Iterable[Merge], corpus: Corpus, rule: str, look: int, samples: int) -> Iterator[Round]:
    for merge in stream:
        tied = tuple(rival for rival in merge.rivals if rival.count == merge.count)
        tie = None
        if tied:
            keys = corpus.key(rule, merge.pair), corpus.key(rule, tied[0].pair)
            tie = Tie(rule, tied, *keys, and_more=len(tied) == look)
        shown = tuple(islice(corpus.samples(merge), samples))
        yield Round(replace(merge, rivals=merge.rivals[: look - 1]), tie, shown)
        corpus.apply(merge)


@dataclass(frozen=True, slots=True, repr=False)
class TrainingExplanation:
    """The first merges of a corpus, round by round; draws itself as text and as HTML.

    words, different: how many pre-tokens were counted, and how many different ones; asked: the merges asked for.
    """

    rounds: tuple[Round, ...]
    words: int
    different: int
    tie_break: str
    asked: int

    def text(self, *, width: int | None = None, colour: bool = False) -> str:
        """The rounds for a terminal; width: columns, default: those of the terminal."""
        return terminal.training_text(self, width=width, colour=colour)

    def html(self) -> str:
        """The same as one self-contained HTML element, without scripts or anything from the network."""
        return page.training_html(self)

    def __str__(self) -> str:
        return self.text()

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return self.html()


def explain_training(
    source: Source | Mapping[bytes, int] = CLASSIC,
    n_merges: int = 10,
    *,
    tie_break: str = "huggingface",
    rivals: int = 3,
    samples: int = 3,
    pattern: str = "gpt2",
    special_tokens: Iterable[str] = ("<|endoftext|>",),
) -> TrainingExplanation:
    """Replay the first merges of a source of text, as train_bpe takes it, or of counted pre-tokens.

    >>> print(explain_training(n_merges=1, rivals=1, samples=1).text(width=80))
    4 different words, 16 in all; first merge, ties broken by huggingface
    <BLANKLINE>
    merge 0: e + s → es, 9 times, id 256
      next   s + t 9 times (tied)
      tie    e + s beat s + t (both 9 times): huggingface takes the smallest ids,
             with bytes numbered printable first: (68, 82) before (82, 83)
      words  n e w e s t → n e w [es] t  6 times
    """
    counts = source if isinstance(source, Mapping) else count_pretokens(source, pattern, special_tokens)
    rounds = tuple(replay(counts, n_merges, tie_break=tie_break, rivals=rivals, samples=samples))
    return TrainingExplanation(rounds, sum(counts.values()), len(counts), tie_break, n_merges)
