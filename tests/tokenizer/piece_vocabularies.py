"""Small SentencePiece vocabularies, drawn; what they mean, the slow and plain way; and damaged files of any kind."""

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from itertools import pairwise
from typing import Any

from tokenizer import SentencePieceTokenizer
from tokenizer.pieces import PieceParts, Prefix

SPACE = "\u2581"
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
ALPHABET = [SPACE, *"abcde.1é你\n"]
USER = ["<@>", "<@>a", "e e"]
NAMES = ["<unk>", "<s>", "</s>"]


def drawn_parts(
    seed: int = 0,
    *,
    prefix: Prefix = "always",
    before_space: bool = True,
    bytes_too: bool = True,
    ties: bool = False,
    count: int = 60,
) -> PieceParts:
    """Special tokens, bytes, user-defined pieces, characters, and pieces of two others each, with drawn scores."""
    dice = random.Random(seed)
    normal = list(ALPHABET)
    while len(normal) < len(ALPHABET) + count:
        piece = dice.choice(normal) + dice.choice(normal)
        if piece not in normal and len(piece) <= 7:
            normal.append(piece)
    dice.shuffle(normal)
    user = [piece.replace(" ", SPACE) for piece in USER]
    pieces = [*NAMES, *(BYTES if bytes_too else []), *user, *normal]
    scores = [-float(n) for n in range(len(pieces))]
    if ties:
        scores = [float(dice.randrange(5)) for _ in pieces]
    types = [2, 3, 3, *([6] * 256 if bytes_too else []), *[4] * len(user), *[1] * len(normal)]
    return PieceParts(pieces, scores, types, None, None, prefix, before_space)


def drawn(seed: int = 0, **settings: Any) -> SentencePieceTokenizer:
    return SentencePieceTokenizer(drawn_parts(seed, **settings))


FRAGMENTS = [
    *ALPHABET[1:],
    " ",
    "  ",
    "   ",
    "ab",
    "cd",
    "a a",
    " b",
    "\n\n",
    "☃",
    "é你",
    "\x00",
    "<",
    "🙂",
    "e e",
    "<@>",
]


def drawn_texts(n: int, seed: int = 0, fragments: Sequence[str] = FRAGMENTS) -> Iterator[str]:
    dice = random.Random(seed)
    for _ in range(n):
        yield "".join(dice.choices(fragments, k=dice.randrange(14)))


def plainly(parts: PieceParts, text: str) -> list[str]:
    """What a text becomes, as pieces: strings, looked at all over again for every merge; U+2581 for spaces."""
    found = {
        piece.replace(SPACE, " "): piece for piece, kind in zip(parts.pieces, parts.types, strict=True) if kind == 4
    }
    for at in range(len(text)):
        names = sorted((name for name in found if text.startswith(name, at)), key=len)
        if names:
            first = plainly(parts, text[:at])
            return [*first, found[names[-1]], *plainly(parts, text[at + len(names[-1]) :])]
    if not text:
        return []
    if parts.prefix == "always" and (parts.prefix_before_space or text[0] not in (" ", SPACE)):
        text = " " + text
    score = {p: s for p, s, kind in zip(parts.pieces, parts.scores, parts.types, strict=True) if kind == 1}
    word: list[str] = []
    for character in text.replace(" ", SPACE):
        word += [character] if character in score else [f"<0x{byte:02X}>" for byte in character.encode()]
    while True:
        pairs = [(score[a + b], -n) for n, (a, b) in enumerate(pairwise(word)) if a + b in score]
        if not pairs:
            return word
        place = -max(pairs)[1]
        word = [*word[:place], word[place] + word[place + 1], *word[place + 2 :]]


# Damage

JUNK: list[Any] = [
    None, True, False, 0, -1, 1.5, 7, 10**30, 1e300, "", "x", "a", SPACE, "\ud800", "<0x41>", "漢" * 300, [], {}, [[]],
    ["a", "b"], {"type": "NFC"}, {"type": None}, [1, 2, 3], {"a": 1},
]  # fmt: skip


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every container in a JSON value with each of its keys."""
    if isinstance(value, dict | list):
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            yield value, key
            yield from places(value[key])


def damaged_document(document: Mapping[str, Any], dice: random.Random) -> dict[str, Any]:
    """A copy with something else in one or two places, or nothing there."""
    changed = deepcopy(dict(document))
    for _ in range(dice.randrange(1, 3)):
        every = list(places(changed))
        if not every:
            break
        holder, key = dice.choice(every)
        what = dice.randrange(4)
        if what == 0:
            del holder[key]
        elif what == 1:
            holder[key] = deepcopy(dice.choice(every)[0])
        elif what == 2 and isinstance(holder, list):
            holder.insert(key, deepcopy(dice.choice(JUNK)))
        else:
            holder[key] = deepcopy(dice.choice(JUNK))
    return changed


def damaged_bytes(data: bytes, dice: random.Random) -> bytes:
    """A copy cut off, with bytes changed, put in or left out, or with a stretch of it twice."""
    place, end = dice.randrange(len(data)), min(len(data), dice.randrange(len(data)) + 1)
    what = dice.randrange(5)
    if what == 0:
        return data[:place]
    if what == 1:
        return data[:place] + bytes([data[place] ^ (1 << dice.randrange(8))]) + data[place + 1 :]
    if what == 2:
        return data[:place] + dice.randbytes(dice.randrange(1, 5)) + data[place + dice.randrange(5) :]
    if what == 3:
        return data[:place] + data[place + dice.randrange(1, 9) :]
    return data[:place] + data[min(place, end) : end] + data[place:]


def as_json(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document).encode()
