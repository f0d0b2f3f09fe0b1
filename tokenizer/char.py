"""nanoGPT's character-level tokenizer, with the interface of Tokenizer; knows nothing of merges."""

import hashlib
import os
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from tokenizer import formats
from tokenizer.decode import decode_bytes, decode_text, decode_with_offsets
from tokenizer.errors import TokenizerError, check_text
from tokenizer.events import Encoded, listeners, tell
from tokenizer.special import Names

if TYPE_CHECKING:
    from tokenizer.explain import Explanation


class CharTokenizer:
    """One id for each character of a text, in the order of their code points.

        vocabulary = sorted(set(text))        karpathy/nanoGPT, data/shakespeare_char/prepare.py

    >>> tok = CharTokenizer("hello")
    >>> tok.encode("hole"), tok.decode([1, 0, 2, 2])
    ([1, 3, 2, 0], 'hell')

    There are no special tokens; allowed_special and disallowed_special are there so that either kind of
    tokenizer can be called alike.
    """

    def __init__(self, source: str | Iterable[str]) -> None:
        """Take the characters of a text, or of several; raises TokenizerError if there are none."""
        characters: set[str] = set()
        for text in [source] if isinstance(source, str) else source:
            characters.update(check_text(text, "CharTokenizer"))
        if not characters:
            raise TokenizerError("CharTokenizer: the text is empty; give one that holds characters")
        self._characters = sorted(characters)
        self._ids = {character: i for i, character in enumerate(self._characters)}
        self._tokens = {i: character.encode() for i, character in enumerate(self._characters)}

    @cached_property
    def vocab(self) -> dict[int, bytes]:
        """id -> the character in UTF-8; a copy."""
        return dict(self._tokens)

    @property
    def special_tokens(self) -> dict[str, int]:
        """None: an empty dict."""
        return {}

    @property
    def vocab_size(self) -> int:
        """The number of characters."""
        return len(self._characters)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256, in hexadecimal, over the characters."""
        return hashlib.sha256(formats.canonical(["char", self._characters])).hexdigest()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, CharTokenizer):
            return NotImplemented
        return self._characters == other._characters

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def __repr__(self) -> str:
        return f"<CharTokenizer: {self.vocab_size} characters, fingerprint {self.fingerprint[:12]}>"

    def encode(self, text: str, allowed_special: Names = (), disallowed_special: Names = "all") -> list[int]:
        """The id of each character; raises TokenizerError for one that is not in the vocabulary."""
        try:
            ids = [self._ids[character] for character in check_text(text, "encode")]
        except KeyError as error:
            (unknown,) = error.args
            raise TokenizerError(
                f"encode: the character {unknown!r} (U+{ord(unknown):04X}) at position "
                f"{text.index(unknown)} is none of the {self.vocab_size} that this tokenizer knows"
            ) from None
        if listeners():
            tell(Encoded(self, text, ids))
        return ids

    encode_ordinary = encode

    def encode_batch(
        self, texts: Iterable[str], allowed_special: Names = (), disallowed_special: Names = "all"
    ) -> list[list[int]]:
        """The ids of each text."""
        return [self.encode(text) for text in texts]

    def encode_iterable(
        self, chunks: Iterable[str], allowed_special: Names = (), disallowed_special: Names = "all"
    ) -> Iterator[int]:
        """The ids of the text that the chunks join to, one by one."""
        for chunk in chunks:
            yield from self.encode(chunk)

    def encode_to_array(
        self,
        text: str | Iterable[str],
        allowed_special: Names = (),
        disallowed_special: Names = "all",
        out: str | os.PathLike[str] | None = None,
    ) -> npt.NDArray[np.unsignedinteger[Any]]:
        """The ids of a text, or of the chunks of one, as a 1-d array; see Tokenizer.encode_to_array."""
        dtype = np.min_scalar_type(self.vocab_size - 1)
        chunks = [text] if isinstance(text, str) else text
        arrays = (np.array(self.encode(chunk), dtype) for chunk in chunks)
        if out is not None:
            return formats.write_array(out, arrays, dtype)
        return np.concatenate([np.empty(0, dtype), *arrays])

    def explain(self, text: str) -> "Explanation":
        """The tokens of a text with their ids; shows itself in a terminal and in a notebook."""
        from tokenizer.explain import explain  # which knows both kinds of tokenizer

        return explain(self, text)

    def decode(self, ids: Iterable[int], errors: str = "replace") -> str:
        """The text of the ids; raises TokenizerError for an id that is not in the vocabulary."""
        return decode_text(self.decode_bytes(ids), errors)

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        """The text of the ids in UTF-8."""
        return decode_bytes(ids, self._tokens)

    def decode_with_offsets(self, ids: Iterable[int]) -> tuple[str, list[int]]:
        """The text of the ids, and the number of each id's character in it: 0, 1, 2, ..."""
        return decode_with_offsets(ids, self._tokens)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the tokenizer as JSON (formats.py): all of the file or, if it fails, nothing."""
        fields = {"characters": self._characters, "fingerprint": self.fingerprint}
        formats.write_document(path, "char", fields)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read what save wrote; raises TokenizerError, naming the file and what is wrong with it."""
        document = formats.read_document(path, "char")
        with formats.naming(path):
            loaded = cls(formats.parse_char(document))
            formats.check_fingerprint(document, loaded.fingerprint)
        return loaded
