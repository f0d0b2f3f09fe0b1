"""How a text became its tokens, as records: pre-tokens, ids, merges; show/ draws them, and nothing here prints."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from tokenizer.char import CharTokenizer
from tokenizer.encode import EncodeStep
from tokenizer.sentencepiece import SentencePieceTokenizer
from tokenizer.show import page, terminal
from tokenizer.special import Names, choose, split_special


class Explains(Protocol):
    """What a byte-level BPE tokenizer must offer to be explained; a Tokenizer does."""

    @property
    def vocab(self) -> dict[int, bytes]:
        """id -> bytes"""

    @property
    def special_tokens(self) -> dict[str, int]:
        """special token -> id"""

    def encode(self, text: str, allowed_special: Names = (), disallowed_special: Names = "all") -> list[int]:
        """The ids of a text."""

    def split(self, text: str) -> list[str]:
        """The pre-tokens of a text."""

    def encode_steps(self, word: str | bytes) -> Iterator[EncodeStep]:
        """The merges that make a pre-token its tokens."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A pre-token, or a special token, and the ids and bytes of its tokens.

    symbols: the bytes that merging began with, those of characters in a SentencePiece vocabulary; None: each byte.
    """

    text: str
    ids: tuple[int, ...]
    tokens: tuple[bytes, ...]
    is_special: bool = False
    symbols: tuple[bytes, ...] | None = None

    @property
    def has_merges(self) -> bool:
        """Whether its bytes, or characters, were joined at all."""
        return not self.is_special and len(self.tokens) < len(self.start)

    @property
    def start(self) -> tuple[bytes, ...]:
        """What merging began with."""
        return tuple(bytes([byte]) for byte in self.text.encode()) if self.symbols is None else self.symbols


@dataclass(frozen=True, slots=True, repr=False)
class Explanation:
    """A text as the pieces that no merge crosses, each with its tokens; draws itself as text and as HTML.

    In a notebook it shows itself; `print(explanation.text(colour=True))` is for a terminal.
    """

    pieces: tuple[Piece, ...]
    _tokenizer: Explains | CharTokenizer | SentencePieceTokenizer = field(compare=False)

    @property
    def ids(self) -> list[int]:
        """The ids of the whole text."""
        return [i for piece in self.pieces for i in piece.ids]

    @property
    def vocab(self) -> Mapping[int, bytes]:
        """id -> bytes of the tokenizer."""
        return self._tokenizer.vocab

    def words(self) -> Counter[Piece]:
        """The different pre-tokens, in the order first met, and how often each occurs; specials left out."""
        if isinstance(self._tokenizer, CharTokenizer):
            return Counter()
        return Counter(piece for piece in self.pieces if not piece.is_special)

    def steps(self, piece: Piece) -> Iterator[EncodeStep]:
        """The merges by which a pre-token became its tokens, each made as it is asked for."""
        if not isinstance(self._tokenizer, CharTokenizer):
            yield from self._tokenizer.encode_steps(piece.text)

    def text(self, *, width: int | None = None, colour: bool = False, words: int | None = terminal.WORDS) -> str:
        """The tokens, and merge by merge how each word became them, for a terminal.

        width: columns; default: those of the terminal. words: how many different words to tell of, None for all;
        as long as it is a number, very long words and texts are cut short too, and a line says so.
        """
        return terminal.explanation_text(self, width=width, colour=colour, words=words)

    def html(self, *, words: int | None = page.WORDS) -> str:
        """The same as one self-contained HTML element, without scripts or anything from the network."""
        return page.explanation_html(self, words=words)

    def __str__(self) -> str:
        return self.text()

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return self.html()


def explain(
    tok: Explains | CharTokenizer | SentencePieceTokenizer,
    text: str,
    allowed_special: Names = (),
    disallowed_special: Names = "all",
) -> Explanation:
    """Say how a text becomes its tokens; the settings, the errors and the ids are those of `tok.encode`.

    >>> from tokenizer import train_bpe
    >>> tok = train_bpe(["low low lower"], 260)
    >>> explain(tok, "lower low").ids == tok.encode("lower low")
    True
    >>> print(explain(tok, "lower").text(width=60))
    [low][e][r]
    3 tokens in 1 word: 257 101 114
    <BLANKLINE>
    lower → 257 101 114
      l o w e r
      [lo] w e r  l + o   merge 0
      [low] e r   lo + w  merge 1
    """
    vocab = tok.vocab
    if isinstance(tok, SentencePieceTokenizer):
        words = (Piece(*each) for each in tok.encode_pieces(text, allowed_special, disallowed_special))
        return Explanation(tuple(words), tok)
    ids = iter(tok.encode(text, allowed_special, disallowed_special))
    if isinstance(tok, CharTokenizer):
        return Explanation(tuple(Piece(vocab[i].decode(), (i,), (vocab[i],)) for i in ids), tok)
    whole, _ = choose(tok.special_tokens, allowed_special, disallowed_special)
    pieces: list[Piece] = []
    for stretch, is_special in split_special(text, whole):
        for part in [stretch] if is_special else tok.split(stretch):
            mine = tuple(_take(ids, len(part.encode()), vocab))
            pieces.append(Piece(part, mine, tuple(vocab[i] for i in mine), is_special))
    return Explanation(tuple(pieces), tok)


def _take(ids: Iterator[int], n_bytes: int, vocab: Mapping[int, bytes]) -> Iterator[int]:
    """The next ids, as many as make so many bytes: no token reaches over the end of a pre-token."""
    while n_bytes > 0:
        i = next(ids)
        n_bytes -= len(vocab[i])
        yield i
