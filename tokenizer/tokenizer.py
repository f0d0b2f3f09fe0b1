"""The Tokenizer: a frozen vocabulary, text to ids and ids to text; knows nothing of training."""

import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from tokenizer import formats, special
from tokenizer.alphabet import to_printable
from tokenizer.blocks import blocks
from tokenizer.decode import decode_bytes, decode_text, decode_with_offsets
from tokenizer.encode import EncodeStep, encode_steps, encode_word
from tokenizer.errors import TokenizerError, check_text
from tokenizer.patterns import splitter
from tokenizer.special import Names
from tokenizer.vocabulary import BytePair, check_specials, check_tokens, ids_of_tokens, place_specials, rank_merges

CACHED_WORDS = 1 << 16  # at some 300 bytes each; 1 MB of English has about 30,000 different ones
CACHED_LENGTH = 64  # characters; longer words seldom come twice


class Tokenizer:
    """A byte-level BPE tokenizer; train_bpe, from_merges and load make one, and nothing changes it.

    Lossless: `decode(encode(text)) == text` for every text, `decode_bytes(encode_bytes(data)) == data` for
    every byte string.

    >>> vocab = {byte: bytes([byte]) for byte in range(256)} | {256: b"hi"}
    >>> tok = Tokenizer.from_merges(vocab, [(b"h", b"i")], ["<|x|>"])
    >>> tok.encode("hi!<|x|>", allowed_special="all")
    [256, 33, 257]
    >>> tok.decode([256, 33, 257])
    'hi!<|x|>'
    """

    def __init__(
        self,
        vocab: Mapping[int, bytes],
        merges: Sequence[BytePair],
        special_tokens: Mapping[str, int] | Iterable[str] | None = None,
        pattern: str = "gpt2",
    ) -> None:
        """Check every law of a vocabulary (vocabulary.py); raises TokenizerError for the first one broken."""
        check_tokens(vocab)
        self._specials = place_specials(vocab, special_tokens)
        check_specials(vocab, self._specials)
        ids = ids_of_tokens(vocab, self._specials)
        self._ranks = rank_merges(merges, ids)
        self._merges = [(left, right) for left, right in merges]
        self._tokens = dict(vocab) | {i: name.encode() for name, i in self._specials.items()}
        self._byte_ids = [ids[bytes([byte])] for byte in range(256)]
        self._splitter = splitter(pattern)
        self._cached = lru_cache(CACHED_WORDS)(self._encode_piece)

    @classmethod
    def from_merges(
        cls,
        vocab: Mapping[int, bytes],
        merges: Sequence[BytePair],
        special_tokens: Mapping[str, int] | Iterable[str] | None = None,
        pattern: str = "gpt2",
    ) -> Self:
        """A tokenizer from id -> bytes and the merged pairs in the order of their rank.

        special_tokens: name -> id, or names alone: these keep the id that their bytes have in the
        vocabulary, or get the next free one. Ids need not be in any order, nor without gaps.
        Raises TokenizerError if the parts do not fit together.
        """
        return cls(vocab, merges, special_tokens, pattern)

    # What it is

    @cached_property
    def vocab(self) -> dict[int, bytes]:
        """id -> bytes, special tokens included; a copy, so changing it changes nothing else."""
        return dict(self._tokens)

    @cached_property
    def merges(self) -> list[BytePair]:
        """The merged pairs in the order of their rank; a copy."""
        return list(self._merges)

    @cached_property
    def special_tokens(self) -> dict[str, int]:
        """Special token -> id; a copy."""
        return dict(self._specials)

    @property
    def pattern(self) -> str:
        """The name of the split pattern, or the regex that it is."""
        return self._splitter.pattern

    @cached_property
    def vocab_size(self) -> int:
        """The number of rows that a table indexed by id needs: the greatest id plus one."""
        return max(self._tokens) + 1

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256, in hexadecimal, over everything that changes what encode returns: two tokenizers with the
        same vocabulary, merges, special tokens and pattern have the same one, and no others.
        """
        parts = [
            self.pattern,
            sorted(self._specials.items()),
            [(i, to_printable(token)) for i, token in sorted(self._tokens.items())],
            [(to_printable(left), to_printable(right)) for left, right in self._merges],
        ]
        return hashlib.sha256(formats.canonical(parts)).hexdigest()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Tokenizer):
            return NotImplemented
        return self.fingerprint == other.fingerprint

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def __repr__(self) -> str:
        return (
            f"<Tokenizer: {self.vocab_size} ids, {len(self._merges)} merges, {len(self._specials)} special, "
            f"pattern {self.pattern!r}, fingerprint {self.fingerprint[:12]}>"
        )

    def __reduce__(self) -> tuple[Any, ...]:  # the cache stays behind
        return type(self), (self._tokens, self._merges, self._specials, self.pattern)

    # Text to ids

    def encode(self, text: str, allowed_special: Names = (), disallowed_special: Names = "all") -> list[int]:
        """The ids of a text, by tiktoken's rules for special tokens.

        allowed_special: the special tokens to encode as one id each, or "all"
        disallowed_special: those to refuse; "all" is all that are not allowed, () is none, and what is
        neither is encoded as ordinary text. Of several that fit, the leftmost wins, then the longest.

        Raises TokenizerError for a refused special token and for a lone surrogate, saying where.
        """
        allowed, refused = special.choose(self._specials, allowed_special, disallowed_special)
        special.refuse(check_text(text, "encode"), refused)
        if not allowed:
            return self._encode_checked(text)
        ids: list[int] = []
        for stretch, is_special in special.split_special(text, allowed):
            ids += [self._specials[stretch]] if is_special else self._encode_checked(stretch)
        return ids

    def encode_ordinary(self, text: str) -> list[int]:
        """The ids of a text in which nothing is special; raises TokenizerError for a lone surrogate."""
        return self._encode_checked(check_text(text, "encode_ordinary"))

    def encode_bytes(self, data: bytes) -> list[int]:
        """The ids of any bytes, nothing special: `decode_bytes` gives the same bytes back.

        Every longest stretch of valid UTF-8 is split as text, every longest stretch of other bytes is one
        pre-token. So valid UTF-8 has the ids that encode_ordinary gives its text.
        """
        if not isinstance(data, bytes | bytearray | memoryview):
            raise TokenizerError(f"encode_bytes: expected bytes, got {type(data).__name__}; a str goes to encode")
        text = bytes(data).decode("utf-8", "surrogateescape")  # an invalid byte becomes a lone surrogate
        ids: list[int] = []
        for stretch in re.findall(r"[\udc80-\udcff]+|[^\udc80-\udcff]+", text):
            if "\udc80" <= stretch[0] <= "\udcff":
                ids += self._encode_word(stretch.encode("utf-8", "surrogateescape"))
            else:
                ids += self._encode_checked(stretch)
        return ids

    def encode_batch(
        self, texts: Iterable[str], allowed_special: Names = (), disallowed_special: Names = "all"
    ) -> list[list[int]]:
        """The ids of each text; see encode."""
        return [self.encode(text, allowed_special, disallowed_special) for text in texts]

    def encode_iterable(
        self, chunks: Iterable[str], allowed_special: Names = (), disallowed_special: Names = "all"
    ) -> Iterator[int]:
        """The ids of the text that the chunks (the lines of a file, say) join to, one by one.

        They are the ids that encode gives the whole text, wherever it is cut into chunks; memory does not
        grow with the text, save under a regex of your own, which nobody knows where to cut.
        """
        allowed, refused = special.choose(self._specials, allowed_special, disallowed_special)
        checked = (check_text(chunk, f"chunk {n}") for n, chunk in enumerate(chunks))
        for stretch, is_special in blocks(special.refusing(checked, refused), self._splitter, allowed):
            yield from [self._specials[stretch]] if is_special else self._encode_checked(stretch)

    def encode_to_array(
        self, text: str, allowed_special: Names = (), disallowed_special: Names = "all"
    ) -> npt.NDArray[np.unsignedinteger[Any]]:
        """The ids of a text as a 1-d array of the smallest unsigned dtype that holds the vocabulary."""
        ids = self.encode(text, allowed_special, disallowed_special)
        return np.array(ids, dtype=np.min_scalar_type(self.vocab_size - 1))

    def split(self, text: str) -> list[str]:
        """The pre-tokens of a text, the words that no merge crosses; they join to the text."""
        return self._splitter.split(check_text(text, "split"))

    def encode_steps(self, word: str | bytes) -> Iterator[EncodeStep]:
        """Every merge, in order, by which one pre-token becomes its tokens."""
        data = check_text(word, "encode_steps").encode() if isinstance(word, str) else word
        return encode_steps([self._byte_ids[byte] for byte in data], self._ranks)

    def _encode_checked(self, text: str) -> list[int]:
        ids: list[int] = []
        for piece in self._splitter.split(text):
            ids += self._cached(piece) if len(piece) <= CACHED_LENGTH else self._encode_piece(piece)
        return ids

    def _encode_piece(self, piece: str) -> list[int]:
        return self._encode_word(piece.encode())

    def _encode_word(self, word: bytes) -> list[int]:
        return encode_word([self._byte_ids[byte] for byte in word], self._ranks)

    # Ids to text

    def decode(self, ids: Iterable[int], errors: str = "replace") -> str:
        """The text of the ids; bytes that are not UTF-8 become U+FFFD, or what `errors` says (bytes.decode).

        Raises TokenizerError for an id that is not in the vocabulary.
        """
        return decode_text(self.decode_bytes(ids), errors)

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        """The bytes of the ids; raises TokenizerError for an id that is not in the vocabulary."""
        return decode_bytes(ids, self._tokens)

    def decode_with_offsets(self, ids: Iterable[int]) -> tuple[str, list[int]]:
        """The text, and for each id the number of the character in it that the id's first byte belongs to.

        Raises TokenizerError if the bytes are not UTF-8: replaced characters would have no honest offsets.
        """
        return decode_with_offsets(ids, self._tokens)

    # Files

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the tokenizer as JSON (formats.py): all of the file or, if it fails, nothing."""
        fields = formats.bpe_fields(self._tokens, self._merges, self._specials, self.pattern)
        formats.write_document(path, "bpe", {**fields, "fingerprint": self.fingerprint})

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read what save wrote; raises TokenizerError, naming the file and what is wrong with it."""
        document = formats.read_document(path, "bpe")
        with formats.naming(path):
            loaded = cls(*formats.parse_bpe(document))
            formats.check_fingerprint(document, loaded.fingerprint)
        return loaded
