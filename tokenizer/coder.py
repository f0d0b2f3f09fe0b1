"""Text to ids and ids to bytes under one vocabulary, by the form chosen (forms.py) and the faster way for the length.

It knows nothing of special tokens, and takes its vocabulary as checked.
"""

import re
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from tokenizer.decode import decode_bytes
from tokenizer.encode import EncodeStep, Ranks, encode_steps, encode_word
from tokenizer.errors import TokenizerError
from tokenizer.fast.decode import MOST_ROWS, Decoder
from tokenizer.fast.encode import Encoder
from tokenizer.fast.words import WordMerger
from tokenizer.forms import fast_wanted, is_fast
from tokenizer.normal import NormalForm, in_form
from tokenizer.patterns import Splitter

IdArray = npt.NDArray[np.unsignedinteger[Any]]

LONG = 2000  # bytes of a word; for less, a call of NumPy costs more than it saves
SHORT = 3000  # characters of a text, likewise
FEW = 500  # ids, likewise
MOST_TOKENS = 1 << 21  # so many and more are left to the readable form: keys of pairs have 21 bits for each

CACHED_WORDS = 1 << 16  # at some 250 bytes each; 1 MB of English has about 30,000 different ones
CACHED_LENGTH = 64  # characters; longer words seldom come twice


class Coder:
    """The vocabulary: id -> bytes, byte -> id (-1: it has none), pair of ids -> (rank, token); `whole`: bytes -> id
    of the pre-tokens that are tokens without being merged; `form`: the normal form that text is put in first.
    """

    def __init__(
        self,
        splitter: Splitter,
        tokens: Mapping[int, bytes],
        byte_ids: Sequence[int],
        ranks: Ranks,
        whole: Mapping[bytes, int],
        form: NormalForm | None = None,
    ) -> None:
        self._splitter, self._tokens, self._byte_ids, self._ranks, self._whole = (
            splitter, tokens, byte_ids, ranks, whole
        )  # fmt: skip
        self._form = form
        lacking = bytes(byte for byte in range(256) if byte_ids[byte] < 0)
        self._lacking = re.compile(b"[" + re.escape(lacking) + b"]") if lacking else None
        self._top = max(tokens)
        self._servable = len(tokens) < MOST_TOKENS
        self.dtype = np.min_scalar_type(self._top)
        self._words = Cache(self.word)
        self._making = threading.Lock()

    @cached_property
    def _encoder(self) -> Encoder:
        return Encoder(self._splitter.pattern, self._merger, self.dtype, self._whole)

    @cached_property
    def _merger(self) -> WordMerger:
        return WordMerger(self._byte_ids, self._ranks)

    @cached_property
    def _decoder(self) -> Decoder:
        return Decoder(self._tokens)

    def _is_fast(self) -> bool:
        return self._servable and is_fast(self._splitter.pattern)

    def ready(self, text: str) -> str:
        """The text in its normal form; raises TokenizerError for a character with a byte that has no token."""
        text = in_form(text, self._form)
        if self._lacking is not None:
            self._refuse(text.encode())
        return text

    def _refuse(self, data: bytes) -> None:
        """Raise TokenizerError if one of the bytes has no token: whatever stood for it, it could not come back."""
        found = self._lacking.search(data) if self._lacking is not None else None
        if found:
            place = found.start()
            near = data[max(place - 8, 0) : place + 4].decode("utf-8", "ignore")
            raise TokenizerError(
                f"encode: the byte {data[place]:#04x} (byte {place} of the text, in {near!r}) has no token in this "
                "vocabulary; leave that character out"
            )

    def raw(self, data: bytes) -> list[int]:
        """The ids of bytes that are no text."""
        self._refuse(data)
        return self.word(data)

    def word(self, data: bytes) -> list[int]:
        """The ids of one pre-token."""
        if data in self._whole:
            return [self._whole[data]]
        if len(data) >= LONG and self._servable and fast_wanted():
            ids: list[int] = self._merger.merge(np.frombuffer(data, np.uint8), np.array([len(data)]))[0].tolist()
            return ids
        return encode_word([self._byte_ids[byte] for byte in data], self._ranks)

    def steps(self, data: bytes) -> Iterator[EncodeStep]:
        """Every merge in one pre-token."""
        self._refuse(data)
        byte_ids = [self._byte_ids[byte] for byte in data]
        if data in self._whole and encode_word(byte_ids, self._ranks) != [self._whole[data]]:
            return iter(())
        return encode_steps(byte_ids, self._ranks)

    def text(self, text: str) -> list[int]:
        """The ids of a text."""
        if self._form or self._lacking:
            text = self.ready(text)
        return self._text(text)

    def _text(self, text: str) -> list[int]:
        if len(text) >= SHORT and self._is_fast():
            ids: list[int] = self._texts([text])[0].tolist()
            return ids
        return self._by_words(text)

    def array(self, text: str) -> IdArray:
        """The same as an array."""
        return self.texts([text])[0]

    def texts(self, texts: Sequence[str]) -> tuple[IdArray, npt.NDArray[np.intp]]:
        """The ids of several texts, one after the other, and where in them each ends."""
        if self._form or self._lacking:
            texts = [self.ready(text) for text in texts]
        return self._texts(texts)

    def _texts(self, texts: Sequence[str]) -> tuple[IdArray, npt.NDArray[np.intp]]:
        if sum(map(len, texts)) >= SHORT and self._is_fast():
            with self._making:  # one thread makes it, the others wait
                encoder = self._encoder
            return encoder.encode(texts)
        several = [self._by_words(text) for text in texts]
        ends = np.cumsum([len(ids) for ids in several], dtype=np.intp)
        return np.array([i for ids in several for i in ids], self.dtype), ends

    def _by_words(self, text: str) -> list[int]:
        ids: list[int] = []
        words = self._words
        for piece in self._splitter.split(text):
            ids += words[piece]
        return ids

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        """The bytes of the ids; raises TokenizerError for one that has none."""
        if not fast_wanted() or self._top >= MOST_ROWS:
            return decode_bytes(ids, self._tokens)
        if not isinstance(ids, np.ndarray):
            ids = ids if isinstance(ids, list) else list(ids)
            if len(ids) < FEW:
                return decode_bytes(ids, self._tokens)
        data = self._decoder.decode(ids)
        return decode_bytes(ids, self._tokens) if data is None else data


class Cache(dict[str, list[int]]):
    """Pre-token -> ids, made when first asked for; forgets everything when it is full."""

    def __init__(self, make: Any) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, piece: str) -> list[int]:
        ids: list[int] = self._make(piece.encode())
        if len(piece) <= CACHED_LENGTH:
            if len(self) >= CACHED_WORDS:
                self.clear()
            self[piece] = ids
        return ids
