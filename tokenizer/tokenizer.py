"""The Tokenizer: a frozen vocabulary, text to ids and ids to text; knows nothing of training."""

import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from tokenizer import batch, formats, huggingface, published, special
from tokenizer.alphabet import to_printable
from tokenizer.blocks import blocks
from tokenizer.coder import Coder, IdArray
from tokenizer.decode import decode_text, decode_with_offsets
from tokenizer.encode import EncodeStep
from tokenizer.errors import TokenizerError, check_str, check_text
from tokenizer.events import Encoded, listeners, tell
from tokenizer.explain import Explanation, explain
from tokenizer.formats import Parts
from tokenizer.forms import has_fast_form
from tokenizer.normal import Cuts, NormalForm, check_form
from tokenizer.patterns import splitter
from tokenizer.special import Names
from tokenizer.vocabulary import BytePair, check_specials, check_tokens, ids_of_tokens, place_specials, rank_merges
from tokenizer.workers import check_workers


class Tokenizer:
    """A byte-level BPE tokenizer; train_bpe, from_merges, load and the readers of other people's files make one,
    and nothing changes it.

    Lossless: `decode(encode(text)) == text` for every text, `decode_bytes(encode_bytes(data)) == data` for
    every byte string. The one exception is a vocabulary with a normal form, as Qwen's: text comes back in that form.

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
        ignore_merges: bool = False,
        normal_form: str | None = None,
        partial: bool = False,
    ) -> None:
        """Check every law of a vocabulary (vocabulary.py); raises TokenizerError for the first one broken."""
        check_tokens(vocab)
        self._specials = place_specials(vocab, special_tokens)
        check_specials(vocab, self._specials)
        ids = ids_of_tokens(vocab, self._specials, partial)
        self._ranks = rank_merges(merges, ids)
        self._merges = [(left, right) for left, right in merges]
        self._tokens = dict(vocab) | {i: name.encode() for name, i in self._specials.items()}
        self._byte_ids = [ids.get(bytes([byte]), -1 - byte) for byte in range(256)]
        self._whole = ids if ignore_merges else {}  # the pre-tokens that are tokens without being merged
        self._splitter = splitter(pattern)
        self._form = check_form(normal_form)
        self._cuts = Cuts(self._splitter) if self._form else self._splitter
        self._special_names = frozenset(self._specials)
        self._coder = Coder(self._splitter, self._tokens, self._byte_ids, self._ranks, self._whole, self._form)

    @classmethod
    def from_merges(
        cls,
        vocab: Mapping[int, bytes],
        merges: Sequence[BytePair],
        special_tokens: Mapping[str, int] | Iterable[str] | None = None,
        pattern: str = "gpt2",
        ignore_merges: bool = False,
        normal_form: str | None = None,
        partial: bool = False,
    ) -> Self:
        """A tokenizer from id -> bytes and the merged pairs in the order of their rank.

        special_tokens: name -> id, or names alone: these keep the id that their bytes have in the
        vocabulary, or get the next free one. Ids need not be in any order, nor without gaps.
        ignore_merges: a whole pre-token that is in the vocabulary is its own token, whatever the merges make of it:
        the rule of tiktoken, and of Hugging Face's files that say so (Llama 3's)
        normal_form: "NFC" (or NFD, NFKC, NFKD): what is not a special token is put in this Unicode normal form before
        it is encoded, as Qwen's is, so that decoding gives the text back in that form
        partial: some of the 256 bytes may have no token (SmolLM2's vocabulary lacks 21, 13 of which are in no text);
        encode then raises TokenizerError for a text that needs one

        Raises TokenizerError if the parts do not fit together.
        """
        return cls(vocab, merges, special_tokens, pattern, ignore_merges, normal_form, partial)

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

    @property
    def has_fast_form(self) -> bool:
        """Whether encode runs on whole arrays: under a pattern that has a name. A regex of your own runs readable."""
        return has_fast_form(self.pattern)

    @property
    def ignore_merges(self) -> bool:
        """Whether a whole pre-token that is in the vocabulary is its own token, merged or not."""
        return bool(self._whole)

    @property
    def normal_form(self) -> NormalForm | None:
        """The Unicode normal form that text is put in before it is encoded."""
        return self._form

    @cached_property
    def partial(self) -> bool:
        """Whether some of the 256 bytes have no token."""
        return min(self._byte_ids) < 0

    @cached_property
    def vocab_size(self) -> int:
        """The number of rows that a table indexed by id needs: the greatest id plus one."""
        return max(self._tokens) + 1

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256, in hexadecimal, over everything that changes what encode returns: two tokenizers with the
        same vocabulary, merges, special tokens, pattern, ignore_merges and normal form have the same one, and no
        others.
        """
        parts: list[object] = [
            self.pattern,
            sorted(self._specials.items()),
            [(i, to_printable(token)) for i, token in sorted(self._tokens.items())],
            [(to_printable(left), to_printable(right)) for left, right in self._merges],
        ]
        if self.ignore_merges:  # the marks of all others stand in files and stay
            parts.append("ignore_merges")
        if self._form:
            parts.append(self._form)
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
            f"pattern {self.pattern!r}{'' if self.has_fast_form else ' (no fast form)'}, "
            f"{f'text in {self._form}, ' if self._form else ''}"
            f"fingerprint {self.fingerprint[:12]}>"
        )

    def __reduce__(self) -> tuple[Any, ...]:  # the cache stays behind
        return type(self), tuple(self.parts)

    @property
    def parts(self) -> Parts:
        """What it is made of, in the order of the constructor."""
        return Parts(
            self._tokens, self._merges, self._specials, self.pattern, self.ignore_merges, self._form, self.partial
        )

    # Text to ids

    def encode(self, text: str, allowed_special: Names = (), disallowed_special: Names = "all") -> list[int]:
        """The ids of a text, by tiktoken's rules for special tokens.

        allowed_special: the special tokens to encode as one id each, or "all"
        disallowed_special: those to refuse; "all" is all that are not allowed, () is none, and what is
        neither is encoded as ordinary text. Of several that fit, the leftmost wins, then the longest.

        Raises TokenizerError for a refused special token and for a lone surrogate, saying where.
        """
        allowed, refused = self._choose(allowed_special, disallowed_special)
        special.refuse(check_str(text, "encode"), refused)
        try:
            if not allowed:
                ids = self._coder.text(text)
            else:
                ids = self._encode_parts([special.split_special(text, allowed)])[0].tolist()
        except UnicodeEncodeError:
            check_text(text, "encode")  # says where
            raise
        if listeners():
            tell(Encoded(self, text, ids))
        return ids

    def encode_ordinary(self, text: str) -> list[int]:
        """The ids of a text in which nothing is special; raises TokenizerError for a lone surrogate."""
        try:
            ids = self._coder.text(check_str(text, "encode_ordinary"))
        except UnicodeEncodeError:
            check_text(text, "encode_ordinary")
            raise
        if listeners():
            tell(Encoded(self, text, ids))
        return ids

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
                ids += self._coder.raw(stretch.encode("utf-8", "surrogateescape"))
            else:
                ids += self._coder.text(stretch)
        return ids

    def encode_batch(
        self,
        texts: Iterable[str],
        allowed_special: Names = (),
        disallowed_special: Names = "all",
        workers: int = 1,
        executor: Executor | None = None,
    ) -> list[list[int]]:
        """The ids of each text; see encode.

        workers, executor: more than one process, or an executor of any kind, encodes tasks of some MB each; the
        result does not depend on it. New processes import your script: guard it by if __name__ == "__main__".
        """
        check_workers(workers)
        several: Iterator[list[list[int]]]
        if executor is None and workers == 1:
            several = (
                batch.parted(*self.encode_group(group.texts, allowed_special, disallowed_special, group.first))
                for group in batch.groups(texts)
            )
        else:
            several = batch.encode_elsewhere(self, texts, allowed_special, disallowed_special, workers, executor)
        return [ids for some in several for ids in some]

    def encode_group(
        self, texts: Sequence[str], allowed_special: Names = (), disallowed_special: Names = "all", first: int = 0
    ) -> tuple[IdArray, npt.NDArray[np.intp]]:
        """The ids of several texts in one array, one text after the other, and where in it each text ends.

        first: the number by which errors call the first text
        """
        name = batch.name_of
        allowed, refused = self._choose(allowed_special, disallowed_special)
        for number, text in enumerate(texts):
            if not isinstance(text, str):
                check_str(text, name(first + number))
            special.refuse(text, refused)
        try:
            if not allowed:
                return self._coder.texts(texts)
            return self._encode_parts(special.split_special(text, allowed) for text in texts)
        except UnicodeEncodeError:
            for number, text in enumerate(texts):
                check_text(text, name(first + number))
            raise

    def encode_iterable(
        self, chunks: Iterable[str], allowed_special: Names = (), disallowed_special: Names = "all"
    ) -> Iterator[int]:
        """The ids of the text that the chunks (the lines of a file, say) join to, one by one.

        They are the ids that encode gives the whole text, wherever it is cut into chunks. Some chunks are taken
        ahead (a quarter of a million characters), and the form is that of the moment when ids are taken. Memory does
        not grow with the text, save under a regex of your own, which nobody knows where to cut.
        """
        for ids in self._encode_chunks(chunks, allowed_special, disallowed_special):
            yield from ids.tolist()

    def encode_to_array(
        self,
        text: str | Iterable[str],
        allowed_special: Names = (),
        disallowed_special: Names = "all",
        out: str | os.PathLike[str] | None = None,
    ) -> IdArray:
        """The ids of a text as a 1-d array of the smallest unsigned dtype that holds the vocabulary.

        text: a str, or chunks of one, as encode_iterable takes them
        out: a .npy file to write them to; then the array is a map of that file, read-only, and memory does not grow
        with the text. The file appears whole or not at all.
        """
        chunks = text
        if isinstance(text, str | bytes):
            chunks = [check_text(text, "encode_to_array")]
            if out is None:
                return self.encode_group(chunks, allowed_special, disallowed_special)[0]
        arrays = self._encode_chunks(chunks, allowed_special, disallowed_special)
        if out is None:
            return np.concatenate([np.empty(0, self._coder.dtype), *arrays])
        return formats.write_array(out, arrays, self._coder.dtype)

    def split(self, text: str) -> list[str]:
        """The pre-tokens of a text, the words that no merge crosses; they join to the text (in its normal form)."""
        return self._splitter.split(self._coder.ready(check_text(text, "split")))

    def encode_steps(self, word: str | bytes) -> Iterator[EncodeStep]:
        """Every merge, in order, by which one pre-token becomes its tokens.

        Under ignore_merges there are none for a pre-token that is a token and that no merges lead to.
        """
        data = check_text(word, "encode_steps").encode() if isinstance(word, str) else bytes(word)
        return self._coder.steps(data)

    def explain(self, text: str, allowed_special: Names = (), disallowed_special: Names = "all") -> Explanation:
        """How a text becomes its tokens, merge by merge; shows itself in a terminal and in a notebook."""
        return explain(self, text, allowed_special, disallowed_special)

    def _choose(self, allowed: Names, disallowed: Names) -> tuple[frozenset[str], frozenset[str]]:
        if disallowed == "all" and not allowed:  # what most calls say
            return frozenset(), self._special_names
        return special.choose(self._specials, allowed, disallowed)

    def _encode_parts(self, texts: Iterable[Iterable[tuple[str, bool]]]) -> tuple[IdArray, npt.NDArray[np.intp]]:
        return batch.encode_parts(self._coder, self._specials, texts)

    def _encode_chunks(
        self, chunks: Iterable[str], allowed_special: Names, disallowed_special: Names
    ) -> Iterator[IdArray]:
        """The ids of the text that the chunks join to, some at a time."""
        if not isinstance(chunks, Iterable):
            raise TokenizerError(f"encode: expected a str or chunks of one, got {type(chunks).__name__}")
        allowed, refused = self._choose(allowed_special, disallowed_special)
        checked = (check_text(chunk, f"chunk {n}") for n, chunk in enumerate(chunks))
        stretches = blocks(special.refusing(batch.together(checked), refused), self._cuts, allowed)
        for group in batch.groups_of_parts(stretches):
            yield self._encode_parts([group])[0]

    # Ids to text

    def decode(self, ids: Iterable[int], errors: str = "replace") -> str:
        """The text of the ids; bytes that are not UTF-8 become U+FFFD, or what `errors` says (bytes.decode).

        Raises TokenizerError for an id that is not in the vocabulary.
        """
        return decode_text(self.decode_bytes(ids), errors)

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        """The bytes of the ids; raises TokenizerError for an id that is not in the vocabulary."""
        return self._coder.decode_bytes(ids)

    def decode_with_offsets(self, ids: Iterable[int]) -> tuple[str, list[int]]:
        """The text, and for each id the number of the character in it that the id's first byte belongs to.

        Raises TokenizerError if the bytes are not UTF-8: replaced characters would have no honest offsets.
        """
        return decode_with_offsets(ids, self._tokens)

    # Files

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the tokenizer as JSON (formats.py): all of the file or, if it fails, nothing."""
        formats.write_document(path, "bpe", {**formats.bpe_fields(self.parts), "fingerprint": self.fingerprint})

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read what save wrote; raises TokenizerError, naming the file and what is wrong with it."""
        document = formats.read_document(path, "bpe")
        with formats.naming(path):
            loaded = cls(*formats.parse_bpe(document))
            formats.check_fingerprint(document, loaded.fingerprint)
        return loaded

    # Other people's files (published.py, huggingface.py); each raises TokenizerError for what it cannot read or say

    @classmethod
    def from_gpt2(
        cls,
        vocab_json: str | os.PathLike[str],
        merges_txt: str | os.PathLike[str],
        special_tokens: Mapping[str, int] | Iterable[str] | None = None,
    ) -> Self:
        """Read the vocab.json and merges.txt of GPT-2 (there: encoder.json and vocab.bpe), under its pattern.

        special_tokens: the files do not mark them; by default those in the vocabulary that training cannot have
        made, as <|endoftext|>: no merge makes it, and the pattern cuts it in three.
        """
        parts = published.read_gpt2(vocab_json, merges_txt, special_tokens)
        with formats.naming(vocab_json):
            return cls(*parts)

    def to_gpt2(self, folder: str | os.PathLike[str]) -> None:
        """Write vocab.json and merges.txt into a folder, which is made if need be; for the pattern gpt2 alone."""
        files = published.gpt2_files(self.parts)
        os.makedirs(folder, exist_ok=True)
        for name, data in files.items():
            formats.write_atomically(os.path.join(folder, name), data)

    @classmethod
    def from_tiktoken(
        cls,
        path: str | os.PathLike[str],
        pattern: str | None = None,
        special_tokens: Mapping[str, int] | Iterable[str] | None = None,
    ) -> Self:
        """Read a .tiktoken file; ids are its ranks, and equal those of tiktoken for every text.

        pattern, special_tokens: the file does not hold them; both may be left out for r50k_base and cl100k_base as
        OpenAI published them. Its merges, which it does not hold either, are found from the ranks, and ignore_merges
        is set where these do not reach every token.
        """
        parts = published.read_tiktoken(path, pattern, special_tokens)
        with formats.naming(path):
            return cls(*parts)

    def to_tiktoken(self, path: str | os.PathLike[str]) -> None:
        """Write a .tiktoken file: tokens and ids, without the pattern and special_tokens, which go with it."""
        formats.write_atomically(path, published.tiktoken_file(self.parts))

    @classmethod
    def from_huggingface(cls, path: str | os.PathLike[str], *, ignore_normalizer: bool = False) -> Self:
        """Read a tokenizer.json of Hugging Face; ids equal those of its encode(text, add_special_tokens=False).

        Every added token becomes a special token, so encode refuses it in text unless it is allowed: the ids there
        are those of encode(text, allowed_special="all") here. Beginning and end tokens are never added.
        A file that puts text in a Unicode normal form (Qwen's: NFC) gives a tokenizer that does so too, so decoding
        gives the text back in that form; and one that lacks some of the 256 bytes gives one that refuses texts with
        them, where others drop them or put an unknown token there.
        ignore_normalizer: leave the normal form out: nothing is lost, and ids equal for texts that are in it.
        """
        parts = huggingface.read_huggingface(path, ignore_normalizer)
        with formats.naming(path):
            return cls(*parts)

    def to_huggingface(self, path: str | os.PathLike[str]) -> None:
        """Write a tokenizer.json, which gives the same ids in tokenizers and transformers."""
        formats.write_atomically(path, huggingface.huggingface_file(self.parts))
