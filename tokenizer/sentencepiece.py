"""SentencePiece-style BPE, the tokenizer of Llama 2, Mistral and llama2.c, with the interface of Tokenizer."""

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from tokenizer import formats, huggingface_pieces, piece_files, special
from tokenizer.blocks import blocks
from tokenizer.decode import decode_text
from tokenizer.encode import EncodeStep, encode_steps
from tokenizer.errors import TokenizerError, check_str, check_text
from tokenizer.events import Encoded, listeners, tell
from tokenizer.piece_coder import PieceCoder, PieceStream, arrays, with_offsets
from tokenizer.pieces import PieceParts, checked
from tokenizer.special import Names

if TYPE_CHECKING:
    from tokenizer.explain import Explanation

IdArray = npt.NDArray[np.unsignedinteger[Any]]


class SentencePieceTokenizer:
    """BPE over characters, with U+2581 for spaces; from_pieces, load and the readers of other people's files make one.

        text → a space before it (prefix) → U+2581 for each space → characters; those without a piece become bytes
        then, as long as a pair of neighbours makes a piece: merge the pair of the greatest score, the leftmost first

    Lossless: `decode(encode(text)) == text`, unless the text holds U+2581 itself, which comes back as a space; and
    where the vocabulary says so: without a piece for every byte, unknown characters come back as the unknown token,
    and under Hugging Face's Metaspace (prefix_before_space False) one space at the beginning is lost.

    >>> pieces = ["<s>", *(f"<0x{byte:02X}>" for byte in range(256)), "\u2581", "h", "i", "hi", "\u2581hi"]
    >>> tok = SentencePieceTokenizer.from_pieces(pieces, [0] * 257 + [-3, -4, -5, -2, -1], [3] + [6] * 256 + [1] * 5)
    >>> tok.encode("hi hi!"), tok.decode(tok.encode("hi hi!"))
    ([261, 261, 34], 'hi hi!')

    Control pieces (<s>) are special tokens by tiktoken's rules, as in Tokenizer; user-defined pieces are found in every
    text; unused ones never come of a text. Kudo and Richardson 2018; google/sentencepiece, src/bpe_model.cc.
    """

    def __init__(self, parts: PieceParts) -> None:
        """Check every law of the vocabulary (pieces.py); raises TokenizerError for the first one broken."""
        self._parts = parts = checked(parts)
        self._specials = parts.special_tokens or {}
        self._coder = PieceCoder(parts)
        both = next((name for name in self._coder.user_defined if name in self._specials), None)
        if both:
            raise TokenizerError(f"pieces: {both!r} is a special token and user defined")
        self._special_names, self._always = frozenset(self._specials), frozenset(self._coder.user_defined)
        self._dtype = np.min_scalar_type(len(parts.pieces) - 1)

    @classmethod
    def from_pieces(
        cls,
        pieces: Sequence[str],
        scores: Sequence[float],
        types: Sequence[int],
        *,
        add_prefix_space: bool = True,
        special_tokens: Mapping[str, int] | None = None,
    ) -> Self:
        """A tokenizer from the spelling, score and type (SentencePiece's numbers) of each id.

        add_prefix_space: a space goes before every stretch of text between special tokens, and decode takes it away
        special_tokens: names for control pieces that are to be found by another name than their spelling

        Raises TokenizerError if the parts do not fit together.
        """
        named = None if special_tokens is None else dict(special_tokens)
        prefix = "always" if add_prefix_space else "never"
        return cls(PieceParts(pieces, scores, types, None, named, prefix))  # type: ignore[arg-type]  # checked there

    # What it is

    @cached_property
    def vocab(self) -> dict[int, bytes]:
        """id -> the bytes it stands for, with a space for U+2581; a copy."""
        return dict(self._coder.tokens)

    @cached_property
    def special_tokens(self) -> dict[str, int]:
        """Special token -> id: control pieces and the unknown one; a copy."""
        return dict(self._specials)

    @property
    def parts(self) -> PieceParts:
        """What it is made of."""
        return self._parts

    @property
    def vocab_size(self) -> int:
        """The number of pieces."""
        return len(self._parts.pieces)

    @cached_property
    def is_lossless(self) -> bool:
        """Whether every byte has a piece, so that no character is unknown."""
        return len(self._coder.byte_ids) == 256

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256, in hexadecimal, over everything that changes what encode returns."""
        return hashlib.sha256(formats.canonical(["sentencepiece", *self._parts])).hexdigest()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SentencePieceTokenizer):
            return NotImplemented
        return self._parts == other._parts

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def __repr__(self) -> str:
        return (
            f"<SentencePieceTokenizer: {self.vocab_size} pieces, {len(self._specials)} special, "
            f"prefix {self._parts.prefix}, fingerprint {self.fingerprint[:12]}>"
        )

    def __reduce__(self) -> tuple[Any, ...]:  # the cache stays behind
        return type(self), (self._parts,)

    # Text to ids

    def encode(self, text: str, allowed_special: Names = (), disallowed_special: Names = "all") -> list[int]:
        """The ids of a text; special tokens as in Tokenizer.encode.

        Raises TokenizerError for a refused special token, for a lone surrogate, and for a character that has no piece
        where its bytes have none and there is no unknown one.
        """
        names = self._names(allowed_special, disallowed_special, check_str(text, "encode"))
        check_text(text, "encode")
        ids = self._ids_of(special.split_special(text, names))
        if listeners():
            tell(Encoded(self, text, ids))
        return ids

    def encode_ordinary(self, text: str) -> list[int]:
        """The ids of a text in which nothing is special; user-defined pieces are found all the same."""
        return self.encode(text, (), ())

    def encode_bytes(self, data: bytes) -> list[int]:
        """The ids of any bytes, nothing special: `decode_bytes` gives the same bytes back."""
        if not isinstance(data, bytes | bytearray | memoryview):
            raise TokenizerError(f"encode_bytes: expected bytes, got {type(data).__name__}; a str goes to encode")
        text = bytes(data).decode("utf-8", "surrogateescape")  # an invalid byte becomes a lone surrogate
        return self._ids_of(special.split_special(text, self._always))

    def encode_batch(
        self, texts: Iterable[str], allowed_special: Names = (), disallowed_special: Names = "all"
    ) -> list[list[int]]:
        """The ids of each text."""
        if isinstance(texts, str):
            raise TokenizerError(f"encode_batch: expected several texts, got the str {texts[:20]!r}; write [text]")
        return [self.encode(text, allowed_special, disallowed_special) for text in texts]

    def encode_iterable(
        self, chunks: Iterable[str], allowed_special: Names = (), disallowed_special: Names = "all"
    ) -> Iterator[int]:
        """The ids of the text that the chunks join to, one by one: those that encode gives the whole text.

        Memory grows with the longest stretch without a place to cut (a space, in most vocabularies), not with the text.
        """
        if not isinstance(chunks, Iterable):
            raise TokenizerError(f"encode: expected a str or chunks of one, got {type(chunks).__name__}")
        allowed, refused = special.choose(self._specials, allowed_special, disallowed_special)
        checked_chunks = (check_text(chunk, f"chunk {n}") for n, chunk in enumerate(chunks))
        parts = blocks(special.refusing(checked_chunks, refused), self._coder, allowed | self._always)
        for stretch, is_found in self._coder.stretches(parts):
            yield from self._coder.ids(stretch, is_found)

    def encode_to_array(
        self,
        text: str | Iterable[str],
        allowed_special: Names = (),
        disallowed_special: Names = "all",
        out: str | os.PathLike[str] | None = None,
    ) -> IdArray:
        """The ids of a text, or of the chunks of one, as a 1-d array; see Tokenizer.encode_to_array."""
        if isinstance(text, str | bytes):
            text = [check_text(text, "encode_to_array")]
        ids = self.encode_iterable(text, allowed_special, disallowed_special)
        if out is None:
            return np.concatenate([np.empty(0, self._dtype), *arrays(ids, self._dtype)])
        return formats.write_array(out, arrays(ids, self._dtype), self._dtype)

    def split(self, text: str) -> list[str]:
        """The words that no merge crosses, most of them a space and what follows it; they join to the text."""
        return self._coder.cut(check_text(text, "split"))

    def encode_steps(self, word: str) -> Iterator[EncodeStep]:
        """Every merge, in order, by which a word, as split gives it, becomes its tokens."""
        return encode_steps(self.symbols(word), self._coder.ranks)

    def symbols(self, word: str) -> list[int]:
        """The ids that merging a word begins with: one for each character that is a piece, else those of its bytes."""
        return self._coder.symbols(check_text(word, "symbols"))

    def encode_pieces(
        self, text: str, allowed_special: Names = (), disallowed_special: Names = "all"
    ) -> Iterator[tuple[str, tuple[int, ...], tuple[bytes, ...], bool, tuple[bytes, ...] | None]]:
        """The ids of encode by words: each with what its ids stand for, whether it is a token found in the text, and
        what its symbols stand for.
        """
        names = self._names(allowed_special, disallowed_special, check_text(text, "encode"))
        for stretch, is_found in self._coder.stretches(special.split_special(text, names)):
            if is_found:
                yield stretch, (self._coder.found[stretch],), (stretch.encode(),), True, None
            for word in [] if is_found else self._coder.cut(stretch):
                yield word, *self._coder.dealt(word)

    def explain(self, text: str, allowed_special: Names = (), disallowed_special: Names = "all") -> "Explanation":
        """How a text becomes its tokens, merge by merge; shows itself in a terminal and in a notebook."""
        from tokenizer.explain import explain  # which knows all kinds of tokenizer

        return explain(self, text, allowed_special, disallowed_special)

    def _names(self, allowed: Names, disallowed: Names, text: str) -> frozenset[str]:
        """What to find in a text, after what is refused was looked for."""
        if disallowed == "all" and not allowed:  # what most calls say
            wanted, refused = frozenset[str](), self._special_names
        else:
            wanted, refused = special.choose(self._specials, allowed, disallowed)
        special.refuse(text, refused)
        return wanted | self._always

    def _ids_of(self, parts: Iterable[tuple[str, bool]]) -> list[int]:
        return [i for stretch in self._coder.stretches(parts) for i in self._coder.ids(*stretch)]

    # Ids to text

    def decode(self, ids: Iterable[int], errors: str = "replace") -> str:
        """The text of the ids, without the space that encode put before it; bytes that are not UTF-8 become U+FFFD, or
        what `errors` says (bytes.decode). Raises TokenizerError for an id that is not in the vocabulary.
        """
        return decode_text(self.decode_bytes(ids), errors)

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        """The same as bytes. For ids that continue a text use `streaming`, which a StreamDecoder does by itself."""
        return self.streaming.decode_bytes(ids)

    @property
    def streaming(self) -> PieceStream:
        """A decoder of the ids of one text, some at a time: it remembers where a space does not belong to the text."""
        return PieceStream(self._coder)

    def decode_with_offsets(self, ids: Iterable[int]) -> tuple[str, list[int]]:
        """The text, and for each id the number of the character in it that the id's first byte belongs to.

        Raises TokenizerError if the bytes are not UTF-8.
        """
        return with_offsets(self._coder.parts_of(ids, self._parts.prefix != "never")[0])

    # Files (piece_files.py, huggingface_pieces.py); each raises TokenizerError for what it cannot read or say

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the tokenizer as JSON (formats.py): all of the file or, if it fails, nothing."""
        fields = piece_files.piece_fields(self._parts)
        formats.write_document(path, "sentencepiece", {**fields, "fingerprint": self.fingerprint})

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read what save wrote; raises TokenizerError, naming the file and what is wrong with it."""
        document = formats.read_document(path, "sentencepiece")
        with formats.naming(path):
            loaded = cls(piece_files.parse_pieces(document))
            formats.check_fingerprint(document, loaded.fingerprint)
        return loaded

    @classmethod
    def from_huggingface(cls, path: str | os.PathLike[str]) -> Self:
        """Read a tokenizer.json of Hugging Face that holds such a BPE (byte_fallback, spaces as U+2581).

        Ids equal those of its encode(text, add_special_tokens=False): merges come in the order of the file. Added
        tokens that are "special" become special tokens, the others user-defined pieces.
        """
        with formats.naming(path):
            return cls(huggingface_pieces.parse_pieces(formats.read_json(path)))

    def to_huggingface(self, path: str | os.PathLike[str]) -> None:
        """Write a tokenizer.json, which gives the same ids in tokenizers and transformers."""
        formats.write_atomically(path, huggingface_pieces.pieces_file(self._parts))

    @classmethod
    def from_llama2c(cls, path: str | os.PathLike[str]) -> Self:
        """Read the tokenizer.bin of karpathy/llama2.c; <s> (1) and </s> (2) are special tokens, as <unk> (0) is."""
        with formats.naming(path):
            return cls(piece_files.parse_llama2c(formats.read_bytes(path)))
