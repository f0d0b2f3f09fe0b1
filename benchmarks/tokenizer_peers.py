"""The other tokenizers, set up to do the same work as ours; knows nothing of measuring.

Every peer is imported where it is used: one that is not installed costs only its own rows, and the memory of one
is not counted with another's.
"""

import base64
import json
import os
import tempfile
from collections.abc import Iterator
from typing import Any

EOT = "<|endoftext|>"

GPT2 = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
# cl100k_base, in the signs that Oniguruma (Hugging Face) and fancy-regex (rustbpe) read alike. To Oniguruma {1,3}+ is
# ({1,3})+, and $ the end of any line: so {1,3} is not possessive here, which changes nothing at the end of an
# alternative, and the end of the text is \z.
GPT4 = (
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++\z|\s*[\r\n]|"
    r"\s+(?!\S)|\s"
)
PATTERNS = {"gpt2": GPT2, "gpt4": GPT4}

TIKTOKEN_PATTERNS = {  # openai/tiktoken, tiktoken_ext/openai_public.py: r50k_base and cl100k_base
    "gpt2": r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s",
    "gpt4": (
        r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|"
        r"\s+(?!\S)|\s"
    ),
}


def documents(path: str) -> Iterator[str]:
    """The documents of a file, one by one, so that a trainer's memory is its own and not that of its input."""
    held = ""
    with open(path, encoding="utf-8", newline="") as file:
        while chunk := file.read(1 << 20):
            *whole, held = (held + chunk).split(EOT)
            yield from whole
    yield held


class HuggingFaceTrainer:
    """The trainer of `tokenizers`: run it, then ask for the merges (bytes as GPT-2's printable characters)."""

    def __init__(self, pattern: str, vocab_size: int) -> None:
        from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers

        self._tokenizer = Tokenizer(models.BPE())
        if pattern == "gpt2":  # built in there, and faster than the same as a regex
            self._tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
        else:
            split = pre_tokenizers.Split(Regex(PATTERNS[pattern]), "isolated")
            in_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
            self._tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, in_bytes])
        self._trainer = trainers.BpeTrainer(
            vocab_size=vocab_size,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
            special_tokens=[],
        )

    def run(self, path: str) -> None:
        self._tokenizer.train_from_iterator(documents(path), self._trainer)

    def merges(self) -> list[list[str]]:
        merges = json.loads(self._tokenizer.to_str())["model"]["merges"]
        return [merge.split(" ") if isinstance(merge, str) else merge for merge in merges]


class RustbpeTrainer:
    """The trainer of `rustbpe`: it tells its tokens, not of what they were merged."""

    def __init__(self, pattern: str, vocab_size: int) -> None:
        import rustbpe

        self._tokenizer = rustbpe.Tokenizer()
        self._settings = vocab_size, PATTERNS[pattern]

    def run(self, path: str) -> None:
        vocab_size, pattern = self._settings
        self._tokenizer.train_from_iterator(documents(path), vocab_size, pattern=pattern)

    def tokens(self) -> list[bytes]:
        ranks = sorted(self._tokenizer.get_mergeable_ranks(), key=lambda entry: entry[1])
        return [bytes(token) for token, _ in ranks[256:]]


class MiniBpeRustTrainer:
    """The trainer of `MiniBpeRust`: it wants the text as one string, without separators."""

    def __init__(self, pattern: str, vocab_size: int) -> None:
        from MiniBpeRust import FastRegexTokenizer

        self._tokenizer = FastRegexTokenizer(PATTERNS[pattern])
        self._vocab_size = vocab_size

    def run(self, path: str) -> None:
        with open(path, encoding="utf-8", newline="") as file:
            self._tokenizer.train(file.read(), self._vocab_size)

    def tokens(self) -> list[bytes]:
        return [self._tokenizer.vocab[i] for i in range(256, self._vocab_size)]


TRAINERS: dict[str, Any] = {
    "huggingface": HuggingFaceTrainer,
    "rustbpe": RustbpeTrainer,
    "MiniBpeRust": MiniBpeRustTrainer,
}


def tiktoken_encoding(path: str, pattern: str) -> Any:
    """tiktoken's Encoding of a .tiktoken file, without special tokens."""
    import tiktoken

    with open(path, "rb") as file:
        entries = (line.split() for line in file if line.strip())
        ranks = {base64.b64decode(token): int(rank) for token, rank in entries}
    return tiktoken.Encoding(
        os.path.basename(path), pat_str=TIKTOKEN_PATTERNS[pattern], mergeable_ranks=ranks, special_tokens={}
    )


def huggingface_twin(tok: Any) -> Any:
    """Hugging Face's tokenizer of the same vocabulary and pattern as one of ours."""
    from tokenizers import Tokenizer

    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "tokenizer.json")
        tok.to_huggingface(path)
        return Tokenizer.from_file(path)


def huggingface_ids(twin: Any, text: str) -> list[int]:
    """The ids of a text, by the fastest call there is: without offsets, on one thread."""
    ids: list[int] = twin.encode_batch_fast([text], add_special_tokens=False)[0].ids
    return ids
