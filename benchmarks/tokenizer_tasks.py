"""What benchmarks/tokenizer.py has done in processes of their own: each task measures, and prints JSON.

    echo '{"who": "ours", "path": "text.txt", ...}' | python -m benchmarks.tokenizer_tasks train

A sample is [seconds of CPU, seconds of wall time]. Whatever a task needs is imported in it: a process pays, in
memory too, for nobody else, and workers, which import this file, are not kept waiting.
"""

import copy
import hashlib
import inspect
import json
import multiprocessing
import random
import resource
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from benchmarks import tokenizer_peers as peers
from benchmarks.tokenizer_texts import KINDS, long_word, read, some_words, warm_up_text

Samples = dict[str, list[list[float]]]


class Different(Exception):
    """Ours and the peer's results differ: there is nothing to measure."""


def timed(call: Callable[[], Any]) -> tuple[Any, list[float]]:
    """The result of a call, and its sample."""
    cpu, wall = time.process_time(), time.perf_counter()
    result = call()
    return result, [time.process_time() - cpu, time.perf_counter() - wall]


def check_equal(what: str, ours: Sequence[Any], peer: Sequence[Any]) -> None:
    """Raise Different, saying where, unless the two sequences are the same."""
    if len(ours) == len(peer) and all(a == b for a, b in zip(ours, peer, strict=True)):
        return
    at = next((i for i, (a, b) in enumerate(zip(ours, peer, strict=False)) if a != b), min(len(ours), len(peer)))
    raise Different(
        f"{what} differ at {at} (lengths {len(ours)} and {len(peer)}): {ours[at : at + 3]!r}, {peer[at : at + 3]!r}"
    )


def vocabulary(path: str, pattern: str) -> Any:
    """Our tokenizer of a .tiktoken file, without special tokens."""
    from tokenizer import Tokenizer

    return Tokenizer.from_tiktoken(path, pattern=pattern, special_tokens=())


def fresh(tok: Any, text: str) -> tuple[Any, list[float]]:
    """The same tokenizer, having seen nothing but the warm-up text, and what that cost."""
    other = copy.copy(tok)
    return other, timed(lambda: other.encode_to_array(text, disallowed_special=()))[1]


# Training


class OurTrainer:
    """Ours, with the interface of the peers' trainers."""

    def __init__(self, pattern: str, vocab_size: int, tie_break: str) -> None:
        from tokenizer import train_bpe

        self._train: Callable[[str], Any] = lambda path: train_bpe(  # the special token is one more
            path, vocab_size + 1, pattern, special_tokens=(peers.EOT,), tie_break=tie_break
        )

    def run(self, path: str) -> None:
        self._tokenizer = self._train(path)

    def merges(self) -> list[list[str]]:
        from tokenizer.alphabet import to_printable

        return [[to_printable(left), to_printable(right)] for left, right in self._tokenizer.merges]

    def tokens(self) -> list[bytes]:
        return [left + right for left, right in self._tokenizer.merges]


TIE_RULES = {"ours": "huggingface", "ours as rustbpe": "smallest_ids", "ours as MiniBpeRust": "first_seen"}


def train(who: str, path: str, pattern: str, vocab_size: int) -> dict[str, Any]:
    """Train once, from file to vocabulary; `who` is one of ours, under a peer's tie rule, or a peer."""
    if who in TIE_RULES:
        trainer = OurTrainer(pattern, vocab_size, TIE_RULES[who])
    else:
        trainer = peers.TRAINERS[who](pattern, vocab_size)
    _, sample = timed(lambda: trainer.run(path))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1024 if sys.platform == "linux" else 1) / 1e6
    made = trainer.merges() if who in ("ours", "huggingface") else [token.hex() for token in trainer.tokens()]
    return {"sample": sample, "peak": peak, "made": made}


# Encoding and decoding


def texts(path: str, vocab: str, pattern: str, repeat: int, huggingface: bool) -> dict[str, Any]:
    """Encode and decode one text, ours and the peers in turns: samples by name, and which peer is missing."""
    text = read(path)
    tok = vocabulary(vocab, pattern)
    missing = {}
    calls: dict[str, Callable[[], Any]] = {}
    ids = tok.encode_to_array(text, disallowed_special=())
    listed = ids.tolist()
    check_equal("texts decoded by us", tok.decode(ids), text)
    try:
        encoding = peers.tiktoken_encoding(vocab, pattern)
        check_equal("ids of ours and tiktoken's", listed, encoding.encode_ordinary(text))
        calls["tiktoken"] = lambda: encoding.encode_ordinary(text)
        calls["tiktoken decode"] = lambda: encoding.decode(listed)
    except ImportError:
        missing["tiktoken"] = "tiktoken is not installed"
    try:
        if huggingface:
            twin = peers.huggingface_twin(tok)
            check_equal("ids of ours and Hugging Face's", listed, peers.huggingface_ids(twin, text))
            calls["huggingface"] = lambda: peers.huggingface_ids(twin, text)
    except ImportError:
        missing["huggingface"] = "tokenizers is not installed"
    samples = in_turns(tok, text, ids, calls, repeat)
    return {"samples": samples, "missing": missing, "megabytes": len(text.encode()) / 1e6}


def in_turns(tok: Any, text: str, ids: Any, calls: dict[str, Callable[[], Any]], repeat: int) -> Samples:
    samples: Samples = defaultdict(list)
    warm_up, listed = warm_up_text(), ids.tolist()
    for _ in range(repeat):
        other, set_up = fresh(tok, warm_up)
        other.decode(ids[:1000])
        samples["set-up"].append(set_up)
        ours: dict[str, Callable[[], Any]] = {
            "first": lambda other=other: other.encode_to_array(text, disallowed_special=()),
            "again": lambda other=other: other.encode_to_array(text, disallowed_special=()),
            "decode list": lambda other=other: other.decode(listed),
            "decode array": lambda other=other: other.decode(ids),
        }
        for name, call in (ours | calls).items():
            samples[name].append(timed(call)[1])
    return samples


def short_strings(
    path: str, vocab: str, pattern: str, lengths: list[int], characters: int, repeat: int
) -> dict[str, Any]:
    """Seconds a call for strings of about so many characters, whole words: "length, call" -> samples.

    Every string is a new one; their words were seen before. All strings of a turn have about `characters` in all.
    """
    text = read(path, 1_000_000)
    tok = vocabulary(vocab, pattern)
    for start in range(0, len(text), 1000):
        tok.encode_ordinary(text[start : start + 1000])
    calls = {"encode": tok.encode, "encode_ordinary": tok.encode_ordinary}
    missing = {}
    try:
        encoding = peers.tiktoken_encoding(vocab, pattern)
        calls |= {"tiktoken encode": encoding.encode, "tiktoken encode_ordinary": encoding.encode_ordinary}
    except ImportError:
        missing["tiktoken"] = "tiktoken is not installed"
    samples: Samples = defaultdict(list)
    for length in lengths:
        rng = random.Random(length)
        for turn in range(repeat + 1):
            strings = [some_words(text, length, rng) for _ in range(characters // length)]
            results = {}
            for name in list(calls)[:: 1 if turn % 2 else -1]:  # nobody always comes first
                call = calls[name]
                results[name], sample = timed(lambda call=call, strings=strings: [call(string) for string in strings])
                if turn:  # the first turn compares
                    samples[f"{length}, {name}"].append([figure / len(strings) for figure in sample])
            for name, ids in results.items():
                check_equal(f"ids by encode and by {name}, strings of {length}", results["encode"], ids)
    return {"samples": samples, "missing": missing}


# Long words


def long_words(path: str, vocab: str, pattern: str, lengths: list[int], repeat: int) -> dict[str, Any]:
    """Ours on every long word, first time seen: "kind, length" -> samples and a digest of the ids."""
    tok = vocabulary(vocab, pattern)
    warm_up = warm_up_text()
    words = {f"{kind}, {length}": long_word(kind, length, path) for kind in KINDS for length in lengths}
    samples: Samples = defaultdict(list)
    digests = {}
    for _ in range(repeat):
        other, _ = fresh(tok, warm_up)
        for name, word in words.items():
            ids, sample = timed(lambda other=other, word=word: other.encode_to_array(word, disallowed_special=()))
            samples[name].append(sample)
            digests[name] = digest(ids.tolist())
    for name, word in words.items():
        check_equal(f"{name}: texts decoded by us", tok.decode(tok.encode_to_array(word)), word)
    return {"samples": samples, "digests": digests}


def long_word_tiktoken(path: str, vocab: str, pattern: str, kind: str, length: int) -> dict[str, Any]:
    """tiktoken on one long word, once."""
    encoding = peers.tiktoken_encoding(vocab, pattern)
    word = long_word(kind, length, path)
    ids, sample = timed(lambda: encoding.encode_ordinary(word))
    return {"sample": sample, "digest": digest(ids)}


def digest(ids: list[int]) -> str:
    return hashlib.sha256(json.dumps(ids).encode()).hexdigest()


# Two workers


def counting(path: str, pattern: str, vocab_size: int, repeat: int) -> dict[str, Any]:
    """Count the words of a file, then train on it, with one worker and with two, in turns."""
    from tokenizer import train_bpe
    from tokenizer.count import count_words

    samples: Samples = defaultdict(list)
    for _ in range(repeat):
        counted = {}
        for workers in (1, 2):
            words, sample = timed(lambda n=workers: count_words(path, pattern, (peers.EOT,), workers=n))
            samples[f"count {workers}"].append(sample)
            counted[workers] = hashlib.sha256(repr(sorted(words.to_dict().items())).encode()).hexdigest()
        check_equal("digests of the words counted by one and two workers", counted[1], counted[2])
        trained = {}
        for workers in (1, 2):
            tok, sample = timed(lambda n=workers: train_bpe(path, vocab_size + 1, pattern, workers=n))
            samples[f"train {workers}"].append(sample)
            trained[workers] = tok.merges
        check_equal("merges made with one and two workers", trained[1], trained[2])
    with kept_pool() as pool:
        for _ in range(repeat + 1):
            samples["count kept"].append(timed(lambda: count_words(path, pattern, (peers.EOT,), executor=pool))[1])
    return {"samples": samples}


def kept_pool() -> ProcessPoolExecutor:
    """Two processes that a program keeps; the first call starts them, and is left out of the medians."""
    return ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn"))


def batch(path: str, vocab: str, pattern: str, characters: int, repeat: int) -> dict[str, Any]:
    """encode_batch of the documents of a text, with one worker and with two, in turns."""
    tok = vocabulary(vocab, pattern)
    if "workers" not in inspect.signature(tok.encode_batch).parameters:
        raise NotImplementedError("encode_batch has no workers= yet")
    with open(path, encoding="utf-8", newline="") as file:
        documents = [document for document in file.read(characters).split(peers.EOT) if document]
    check_equal("ids by one and two workers", tok.encode_batch(documents), tok.encode_batch(documents, workers=2))
    samples: Samples = defaultdict(list)
    for _ in range(repeat):
        for workers in (1, 2):
            sample = timed(lambda n=workers: tok.encode_batch(documents, workers=n))[1]
            samples[f"batch {workers}"].append(sample)
    with kept_pool() as pool:
        for _ in range(repeat + 1):
            samples["batch kept"].append(timed(lambda: tok.encode_batch(documents, executor=pool))[1])
    return {"samples": samples, "megabytes": sum(len(document.encode()) for document in documents) / 1e6}


TASKS: dict[str, Callable[..., dict[str, Any]]] = {
    task.__name__: task for task in (train, texts, short_strings, long_words, long_word_tiktoken, counting, batch)
}


def main() -> None:
    try:
        answer = TASKS[sys.argv[1]](**json.load(sys.stdin))
    except Different as error:
        answer = {"unequal": str(error)}
    except ImportError as error:
        answer = {"skipped": f"{error.name} is not installed"}
    except NotImplementedError as error:
        answer = {"skipped": str(error)}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
