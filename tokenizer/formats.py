"""Tokenizer files: this project's own JSON, written whole or not at all; knows nothing of encoding.

    {"format": "tinylm-tokenizer", "version": 1, "kind": "bpe" | "char", ...}

Bytes are spelled in GPT-2's printable alphabet (alphabet.py): exact, and legible in an editor.
"""

import json
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tokenizer.alphabet import from_printable, to_printable
from tokenizer.errors import TokenizerError

FORMAT = "tinylm-tokenizer"
VERSION = 1

Document = dict[str, Any]


def write_atomically(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file so that at every moment, also after a crash, it holds all of the old or all of the new.

    Raises OSError as open() does; the old file then stands, and nothing is left beside it.
    """
    target = Path(path)
    beside = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    try:
        with open(beside, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, target)
    finally:
        beside.unlink(missing_ok=True)


def write_document(path: str | os.PathLike[str], kind: str, fields: Document) -> None:
    """Write the fields of a tokenizer of that kind as JSON, atomically."""
    document = {"format": FORMAT, "version": VERSION, "kind": kind, **fields}
    text = json.dumps(document, ensure_ascii=False, indent=1)
    write_atomically(path, text.encode() + b"\n")


def read_document(path: str | os.PathLike[str], kind: str | None = None) -> Document:
    """Read a tokenizer file, and check that it is one of ours, and of the kind wanted (default: either).

    Raises TokenizerError, naming the file, for one that is missing, not JSON, or not of this format.
    """
    with naming(path):
        try:
            with open(path, "rb") as file:
                document = json.loads(file.read().decode(), object_pairs_hook=_without_repeats)
        except OSError as error:
            raise TokenizerError(f"cannot be read: {error.strerror or error}") from None
        except RecursionError:
            raise TokenizerError("not a tokenizer file: JSON nested too deeply") from None
        except TokenizerError:
            raise
        except ValueError as error:  # not UTF-8, or not JSON
            raise TokenizerError(f"not a tokenizer file: not JSON: {error}") from None
        if not isinstance(document, dict) or document.get("format") != FORMAT:
            raise TokenizerError(f'not a tokenizer file of ours: it lacks "format": "{FORMAT}"')
        if document.get("version") != VERSION:
            found = document.get("version")
            raise TokenizerError(f"version {found!r} of the format; this program reads version {VERSION}")
        kinds = [kind] if kind else ["bpe", "char"]
        if document.get("kind") not in kinds:
            raise TokenizerError(f'expected "kind" {" or ".join(kinds)}, got {document.get("kind")!r}')
        return document


@contextmanager
def naming(path: str | os.PathLike[str]) -> Iterator[None]:
    """Put the name of the file before the message of a TokenizerError raised inside."""
    try:
        yield
    except TokenizerError as error:
        raise TokenizerError(f"{os.fspath(path)}: {error}") from None


def canonical(parts: object) -> bytes:
    """The one spelling of lists, numbers and strings as JSON, for hashing."""
    return json.dumps(parts, ensure_ascii=True, separators=(",", ":")).encode()


def check_fingerprint(document: Document, fingerprint: str) -> None:
    """Raise TokenizerError if the document states a fingerprint and it is another."""
    stated = document.get("fingerprint", fingerprint)
    if stated != fingerprint:
        raise TokenizerError(
            "its contents do not match its fingerprint, so it was damaged or edited; "
            'if the change is meant, delete the "fingerprint" line'
        )


def _without_repeats(pairs: list[tuple[str, Any]]) -> Document:
    document = dict(pairs)
    if len(document) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for i, key in enumerate(keys) if key in keys[:i])
        raise TokenizerError(f"{twice!r} stands twice in one object")
    return document


def field(document: Document, name: str, expected: type) -> Any:
    """A field of a document; raises TokenizerError if it is missing or of another type."""
    value = document.get(name)
    if not isinstance(value, expected):
        got = type(value).__name__ if name in document else "nothing"
        raise TokenizerError(f'"{name}": expected {expected.__name__}, got {got}')
    return value


def bpe_fields(
    vocab: Mapping[int, bytes],
    merges: Sequence[tuple[bytes, bytes]],
    special_tokens: Mapping[str, int],
    pattern: str,
) -> Document:
    """The JSON fields of a byte-level BPE."""
    special_ids = set(special_tokens.values())
    return {
        "pattern": pattern,
        "special_tokens": dict(special_tokens),
        "merges": [f"{to_printable(left)} {to_printable(right)}" for left, right in merges],
        "vocab": {to_printable(token): i for i, token in sorted(vocab.items()) if i not in special_ids},
    }


def parse_bpe(
    document: Document,
) -> tuple[dict[int, bytes], list[tuple[bytes, bytes]], dict[str, int], str]:
    """Read those fields back: vocabulary without special tokens, merges, special tokens, pattern.

    Checks the file's grammar only: whether the parts fit together is the Tokenizer's to say.
    """
    vocab: dict[int, bytes] = {}
    for token, i in field(document, "vocab", dict).items():
        if type(i) is not int:
            raise TokenizerError(f'"vocab": the id of {token!r} is {i!r}, not a whole number')
        if i in vocab:
            raise TokenizerError(f'"vocab": id {i} is given twice, to {to_printable(vocab[i])!r} and {token!r}')
        vocab[i] = from_printable(token)
    merges = []
    for rank, line in enumerate(field(document, "merges", list)):
        parts = line.split(" ") if isinstance(line, str) else []
        if len(parts) != 2:
            raise TokenizerError(f'"merges": entry {rank} is {line!r}, not two tokens with a space between')
        merges.append((from_printable(parts[0]), from_printable(parts[1])))
    return vocab, merges, field(document, "special_tokens", dict), field(document, "pattern", str)


def parse_char(document: Document) -> list[str]:
    """Read the characters of a character-level tokenizer."""
    characters: list[str] = field(document, "characters", list)
    for i, character in enumerate(characters):
        if not isinstance(character, str) or len(character) != 1:
            raise TokenizerError(f'"characters": entry {i} is {character!r}, not one character')
    if characters != sorted(set(characters)):
        raise TokenizerError('"characters": they must be in the order of their code points, each once')
    return characters
