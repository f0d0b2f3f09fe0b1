"""The tokenizer's algorithms written another way: shorter, slower, and without its code."""

import unicodedata
from collections.abc import Callable, Iterable
from itertools import pairwise

Pair = tuple[int, int]

PRINTABLE_FIRST = [*range(33, 127), *range(161, 173), *range(174, 256)]
PRINTABLE_FIRST += [byte for byte in range(256) if byte not in PRINTABLE_FIRST]


def replace_pair(word: list[int], pair: Pair, new: int) -> list[int]:
    """By recursion: the first occurrence becomes the new token, and the rest is done likewise."""
    for i in range(len(word) - 1):
        if (word[i], word[i + 1]) == pair:
            return [*word[:i], new, *replace_pair(word[i + 2 :], pair, new)]
    return word


def naive_merges(words: Iterable[bytes], n_merges: int | None, rule: str) -> list[tuple[bytes, bytes, int]]:
    """BPE training that walks the whole corpus, every word of it as often as it occurs, for every merge."""
    corpus = [list(word) for word in words]
    tokens = [bytes([i]) for i in range(256)]
    made: list[tuple[bytes, bytes, int]] = []
    while n_merges is None or len(made) < n_merges:
        stats: dict[Pair, int] = {}
        for word in corpus:
            for i in range(1, len(word)):
                pair = word[i - 1], word[i]
                stats[pair] = stats.get(pair, 0) + 1
        if not stats:
            break
        number = {i: (PRINTABLE_FIRST.index(i) if i < 256 else i) for pair in stats for i in pair}
        best: dict[str, Callable[[], Pair]] = {
            "huggingface": lambda: max(stats, key=lambda p: (stats[p], -number[p[0]], -number[p[1]])),  # noqa: B023
            "smallest_ids": lambda: sorted(stats, key=lambda p: (-stats[p], p))[0],  # noqa: B023
            "greatest_bytes": lambda: max(stats, key=lambda p: (stats[p], tokens[p[0]], tokens[p[1]])),  # noqa: B023
            "first_seen": lambda: max(stats, key=stats.get),  # type: ignore[arg-type]  # noqa: B023  # as minbpe
        }
        left, right = best[rule]()
        made.append((tokens[left], tokens[right], stats[left, right]))
        tokens.append(tokens[left] + tokens[right])
        corpus = [replace_pair(word, (left, right), len(tokens) - 1) for word in corpus]
    return made


def naive_encode(word: bytes, merges: list[tuple[bytes, bytes]]) -> list[bytes]:
    """The merges one after the other, each over the whole word: how Sennrich et al. apply them."""
    parts = [word[i : i + 1] for i in range(len(word))]
    for left, right in merges:
        i = 0
        while i + 1 < len(parts):
            if parts[i] == left and parts[i + 1] == right:
                parts[i : i + 2] = [left + right]
            i += 1
    return parts


def tiktoken_encode(word: bytes, ids: dict[bytes, int]) -> list[int]:
    """tiktoken's rule, which knows no merges: a word that is a token is that token; else the two neighbours that join
    to the token of lowest id join, the leftmost first (by recursion).
    """

    def join(parts: list[bytes]) -> list[bytes]:
        known = [(ids[a + b], i) for i, (a, b) in enumerate(pairwise(parts)) if a + b in ids]
        if not known:
            return parts
        i = min(known)[1]
        return join([*parts[:i], parts[i] + parts[i + 1], *parts[i + 2 :]])

    return [ids[word]] if word in ids else [ids[part] for part in join([bytes([byte]) for byte in word])]


# openai/tiktoken, tiktoken_ext/openai_public.py, as published
R50K = r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"""
CL100K = (
    r"""'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|"""
    r"""\s++$|\s*[\r\n]|\s+(?!\S)|\s"""
)


def is_space(char: str) -> bool:
    return char.isspace() and char not in "\x1c\x1d\x1e\x1f"  # Unicode's White_Space; Python adds these four


def kind(char: str) -> str:
    """space, L (letter), N (number) or other, by the Unicode category."""
    return "space" if is_space(char) else {"L": "L", "N": "N"}.get(unicodedata.category(char)[0], "other")


def split_gpt2(text: str) -> list[str]:
    """GPT-2's pre-tokens by a loop over characters, without a regex."""
    pieces, i = [], 0
    while i < len(text):
        for ending in ("'s", "'t", "'re", "'ve", "'m", "'ll", "'d"):
            if text.startswith(ending, i):
                end = i + len(ending)
                break
        else:
            start = i + 1 if text[i] == " " and i + 1 < len(text) and kind(text[i + 1]) != "space" else i
            end = start + 1
            while end < len(text) and kind(text[end]) == kind(text[start]):
                end += 1
            if kind(text[start]) == "space" and end < len(text) and end - start > 1:
                end -= 1  # the last of a run of spaces is left to the next word
        pieces.append(text[i:end])
        i = end
    return pieces


def split_gpt4(text: str) -> list[str]:
    """GPT-4's pre-tokens by a loop over characters, without a regex."""
    kinds = [kind(char) for char in text]

    def run(start: int, wanted: str, longest: int | None = None) -> int:
        stop = len(text) if longest is None else min(len(text), start + longest)
        return next((i for i in range(start, stop) if kinds[i] != wanted), stop)

    def after_line_ends(start: int) -> int:
        return next((i for i in range(start, len(text)) if text[i] not in "\r\n"), len(text))

    pieces, i = [], 0
    while i < len(text):
        follow = text[i + 1 : i + 3].replace("ſ", "s").lower()  # ſ is an s to a regex that ignores case
        lead = kinds[i] in ("space", "other") and text[i] not in "\r\n"
        punctuation = i + 1 if text[i] == " " and i + 1 < len(text) and kinds[i + 1] == "other" else i
        if text[i] == "'" and follow in ("ll", "ve", "re"):
            end = i + 3
        elif text[i] == "'" and follow[:1] and follow[0] in "sdmt":
            end = i + 2
        elif lead and i + 1 < len(text) and kinds[i + 1] == "L":
            end = run(i + 1, "L")
        elif kinds[i] == "L":
            end = run(i, "L")
        elif kinds[i] == "N":
            end = run(i, "N", 3)
        elif kinds[punctuation] == "other":
            end = after_line_ends(run(punctuation, "other"))
        else:
            end = run(i, "space")
            if end < len(text):
                lines = max(text.rfind("\n", i, end), text.rfind("\r", i, end)) + 1
                end = lines or max(end - 1, i + 1)
        pieces.append(text[i:end])
        i = end
    return pieces
