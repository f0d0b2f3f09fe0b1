"""The files of GPT-2 (vocab.json with merges.txt) and of tiktoken (.tiktoken): read and written as parts.

Neither says how text is split, nor which tokens are special: what the files leave out is asked for, or known
from the file itself where it is one that OpenAI published.
"""

import base64
import binascii
import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from tokenizer.alphabet import CHAR_TO_BYTE, from_printable, to_printable
from tokenizer.errors import TokenizerError
from tokenizer.formats import Parts, naming, parse_json, parse_merges, parse_vocab, read_bytes
from tokenizer.patterns import splitter
from tokenizer.special import check_names
from tokenizer.vocabulary import MAX_ID, BytePair, place_specials

Specials = Mapping[str, int] | Iterable[str] | None

MERGES_HEADER = "#version: 0.2"
MAX_TOKEN = 1024  # bytes; the longest published token has 128, and finding a token's merge is quadratic in its length


class Published(NamedTuple):
    """What a .tiktoken file leaves out."""

    name: str
    pattern: str
    special_tokens: dict[str, int]


# openai/tiktoken, tiktoken_ext/openai_public.py: SHA-256 of the file -> what it goes with
PUBLISHED = {
    "306cd27f03c1a714eca7108e03d66b7dc042abe8c258b44c199a7ed9838dd930": Published(
        "r50k_base", "gpt2", {"<|endoftext|>": 50256}
    ),
    "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7": Published(
        "cl100k_base",
        "gpt4",
        {
            "<|endoftext|>": 100257,
            "<|fim_prefix|>": 100258,
            "<|fim_middle|>": 100259,
            "<|fim_suffix|>": 100260,
            "<|endofprompt|>": 100276,
        },
    ),
}


# GPT-2


def read_gpt2(
    vocab_json: str | os.PathLike[str], merges_txt: str | os.PathLike[str], special_tokens: Specials
) -> Parts:
    """The parts of a GPT-2 vocabulary; for special_tokens None see unmade_specials."""
    with naming(merges_txt):
        merges = parse_merges_txt(read_bytes(merges_txt))
    with naming(vocab_json):
        return parse_gpt2(read_bytes(vocab_json), merges, special_tokens)


def parse_merges_txt(data: bytes) -> list[BytePair]:
    """The merges of a merges.txt: after a line with its version, if there is one, a merge a line."""
    try:
        lines = data.decode().replace("\r\n", "\n").removesuffix("\n").split("\n")
    except UnicodeDecodeError as error:
        raise TokenizerError(f"not a file of merges: not UTF-8 at byte {error.start}") from None
    if lines[0].startswith("#version"):  # "#" alone may begin a merge
        lines = lines[1:]
    return parse_merges(lines if lines != [""] else [])


def parse_gpt2(data: bytes, merges: list[BytePair], special_tokens: Specials) -> Parts:
    """The parts, given the contents of a vocab.json."""
    tokens = parse_json(data)
    if not isinstance(tokens, dict):
        raise TokenizerError(
            f'not a GPT-2 vocabulary: expected a JSON object {{"token": id}}, got {type(tokens).__name__}'
        )
    named = unmade_specials(tokens, merges) if special_tokens is None else special_tokens
    if not isinstance(named, Mapping):
        names = check_names(named)
        named = {name: tokens[name] for name in names if name in tokens}
        free = max([-1, *(i for i in tokens.values() if type(i) is int)]) + 1
        named |= {name: free + n for n, name in enumerate(name for name in names if name not in named)}
    vocab = parse_vocab({token: i for token, i in tokens.items() if token not in named or named[token] != i})
    return Parts(vocab, merges, dict(named), "gpt2")


def unmade_specials(tokens: Mapping[str, int], merges: list[BytePair]) -> dict[str, int]:
    """The special tokens of a vocab.json, which does not mark them: those that training cannot have made.

    Training makes a token by a merge, and within a pre-token. So what no merge makes and the pattern cuts in
    pieces (<|endoftext|>), or what is not spelled in the alphabet of bytes, is special. For what no merge makes
    but could be a word nobody knows, and the merges may be incomplete: TokenizerError asks for the names.
    """
    made = {to_printable(left + right) for left, right in merges}
    unmade = [token for token in tokens if token not in made and token not in CHAR_TO_BYTE]
    for token in unmade:
        if all(char in CHAR_TO_BYTE for char in token) and not _is_no_word(token):
            raise TokenizerError(
                f"{token!r} is made by no merge ({len(unmade)} such tokens), and may be special or not; if the merges "
                'are all there, name those that are special: special_tokens=["<|endoftext|>"], or []'
            )
    return {token: tokens[token] for token in unmade}


def _is_no_word(token: str) -> bool:
    return from_printable(token) == token.encode() and len(splitter("gpt2").split(token)) > 1


def gpt2_files(parts: Parts) -> dict[str, bytes]:
    """The contents of vocab.json and merges.txt; raises TokenizerError for what they cannot say."""
    if parts.pattern != "gpt2":
        raise TokenizerError(f"to_gpt2: GPT-2's files imply its pattern, this one is {parts.pattern!r}; {ELSEWHERE}")
    if parts.ignore_merges:
        raise TokenizerError(f"to_gpt2: GPT-2's files cannot say ignore_merges; {ELSEWHERE}")
    check_plain(parts, "to_gpt2")
    tokens = {to_printable(token): i for i, token in parts.ordinary.items()}
    for name in parts.special_tokens:
        if name in tokens:
            raise TokenizerError(f"to_gpt2: the special token {name!r} is spelled like the token {tokens[name]}")
    tokens |= dict(sorted(parts.special_tokens.items(), key=lambda item: item[1]))
    lines = [MERGES_HEADER, *(f"{to_printable(left)} {to_printable(right)}" for left, right in parts.merges), ""]
    return {
        "vocab.json": json.dumps(tokens, ensure_ascii=False).encode(),
        "merges.txt": "\n".join(lines).encode(),
    }


ELSEWHERE = "use to_huggingface, or save"


# tiktoken


def read_tiktoken(path: str | os.PathLike[str], pattern: str | None, special_tokens: Specials) -> Parts:
    """The parts of a .tiktoken file; without a pattern, of one that OpenAI published."""
    with naming(path):
        data = read_bytes(path)
        ids = parse_ranks(data)
        if pattern is None:
            known = PUBLISHED.get(hashlib.sha256(data).hexdigest())
            if known is None:
                raise TokenizerError(
                    "tiktoken's files do not say how text is split, and this is none that OpenAI published; type "
                    'Tokenizer.from_tiktoken(path, pattern="gpt4", special_tokens={"<|endoftext|>": 100257}) '
                    "with what goes with it, and .save it"
                )
            pattern = known.pattern
            special_tokens = known.special_tokens if special_tokens is None else special_tokens
        vocab = {i: token for token, i in ids.items()}
        merges, unreached = recover_merges(ids)
        return Parts(vocab, merges, place_specials(vocab, special_tokens), pattern, ignore_merges=bool(unreached))


def parse_ranks(data: bytes) -> dict[bytes, int]:
    """token -> rank, from lines of a token in base64, a space and its rank."""
    ids: dict[bytes, int] = {}
    taken: dict[int, int] = {}
    for number, line in enumerate(data.split(b"\n"), 1):
        parts = line.split()
        if not parts:
            continue
        try:
            coded, rank = parts
            token = binascii.a2b_base64(coded, strict_mode=True)
            i = int(rank) if rank.isdigit() and len(rank) < 20 else -1
        except ValueError:  # not two parts, or not base64
            token, i = b"", -1
        if not token or i < 0:
            raise TokenizerError(
                f"not a .tiktoken file: line {number} is {line[:60]!r}, not a token in base64, a space and its rank"
            )
        if i > MAX_ID or len(token) > MAX_TOKEN:
            raise TokenizerError(f"line {number}: ranks go to {MAX_ID} and tokens to {MAX_TOKEN} bytes here")
        if token in ids or i in taken:
            what, first = (f"the rank {i}", taken[i]) if i in taken else (f"the token {token!r}", taken[ids[token]])
            raise TokenizerError(f"{what} stands in line {first} and in line {number}")
        ids[token] = i
        taken[i] = number
    return ids


def tiktoken_file(parts: Parts) -> bytes:
    """The lines of a .tiktoken file; raises TokenizerError where tiktoken would read other merges from them.

    tiktoken has no merges: it joins the two neighbours that make the token of lowest id, and takes a pre-token
    that is in the vocabulary as it is. So merges must be what that rule makes of the ids.
    """
    check_plain(parts, "to_tiktoken")
    ids = {token: i for i, token in parts.ordinary.items()}
    merges, unreached = recover_merges(ids)
    if merges != parts.merges:
        ours, theirs = next((a, b) for a, b in zip([*parts.merges, None], [*merges, None], strict=False) if a != b)
        raise TokenizerError(
            f"to_tiktoken: tiktoken merges in the order of the ids, where {_spelled(theirs)} would come, "
            f"and here {_spelled(ours)} comes; {ELSEWHERE}"
        )
    if unreached and not parts.ignore_merges:
        raise TokenizerError(
            f"to_tiktoken: no merges lead to the token {unreached[0]!r}, so encode never gives it, but tiktoken would; "
            f"{ELSEWHERE}"
        )
    lines = (base64.b64encode(token) + b" %d\n" % i for token, i in ids.items())
    return b"".join(lines)


def check_plain(parts: Parts, where: str) -> None:
    """Raise TokenizerError for a normal form, which these files cannot say, and for bytes that they must have."""
    if parts.normal_form:
        raise TokenizerError(f"{where}: its files cannot say that text is put in {parts.normal_form}; {ELSEWHERE}")
    if parts.partial:
        raise TokenizerError(f"{where}: some of the 256 bytes have no token, and its files must have all; {ELSEWHERE}")


def _spelled(merge: BytePair | None) -> str:
    return f"{merge[0]!r} + {merge[1]!r}" if merge else "no more merge"


def recover_merges(ids: Mapping[bytes, int]) -> tuple[list[BytePair], list[bytes]]:
    """The merges of tokens in the order of their ids, as tiktoken makes them; and the tokens it makes by none.

    Whatever stands around a token, the merges that lead to it are those that lead to it where it stands alone,
    since none of them reaches over its ends. So each token has one last merge at most, and these, ranked by what
    they make, are the rule. A token that gets stuck in three parts or more comes only as a whole pre-token.

    >>> recover_merges({b"a": 0, b"b": 1, b"c": 2, b"ab": 3, b"abc": 4, b"bca": 5})
    ([(b'a', b'b'), (b'ab', b'c')], [b'bca'])
    """
    merges, unreached = [], []
    for token in sorted(ids, key=ids.__getitem__):
        if len(token) > 1:
            cut = last_cut(token, ids)
            if cut:
                merges.append((token[:cut], token[cut:]))
            else:
                unreached.append(token)
    return merges, unreached


def last_cut(token: bytes, ids: Mapping[bytes, int]) -> int:
    """Merge the bytes of a token, lowest id first, until two parts are left: where these meet; else 0.

    >>> last_cut(b"abc", {b"ab": 7, b"bc": 6})
    1
    """
    never = MAX_ID + 1
    ends = list(range(1, len(token) + 1))  # of the parts
    pairs = [ids.get(token[i : i + 2], never) for i in range(len(token) - 1)]  # the id that part and next would make
    while len(pairs) > 1:
        lowest = min(pairs)
        if lowest == never:
            return 0
        i = pairs.index(lowest)
        del ends[i], pairs[i]
        start = ends[i - 1] if i else 0
        if i < len(pairs):
            pairs[i] = ids.get(token[start : ends[i + 1]], never)
        if i:
            pairs[i - 1] = ids.get(token[ends[i - 2] if i > 1 else 0 : ends[i]], never)
    return ends[0]
