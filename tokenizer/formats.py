"""Tokenizer files: reading within bounds, writing whole or not at all, and this project's own JSON.

    {"format": "tinylm-tokenizer", "version": 1, "kind": "bpe" | "char" | "sentencepiece", ...}

Bytes are spelled in GPT-2's printable alphabet (alphabet.py): exact, and legible in an editor. The formats of
others stand in published.py and huggingface.py. Nothing here knows of encoding.
"""

import errno
import json
import os
import secrets
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, NoReturn

import numpy as np
import numpy.typing as npt

from tokenizer.alphabet import from_printable, to_printable
from tokenizer.errors import TokenizerError, briefly

FORMAT = "tinylm-tokenizer"
VERSION = 1

MAX_BYTES = 1 << 26  # the largest published tokenizer.json has some 35 MB
MAX_BRACKETS = 1 << 21  # objects and lists; an empty one takes 3 bytes of JSON and 64 of memory

Document = dict[str, Any]
Array = npt.NDArray[Any]


class Parts(NamedTuple):
    """What a tokenizer is made of, in the order of its constructor; every reader gives it, every writer takes it."""

    vocab: dict[int, bytes]
    merges: list[tuple[bytes, bytes]]
    special_tokens: dict[str, int]
    pattern: str
    ignore_merges: bool = False
    normal_form: str | None = None
    partial: bool = False

    @property
    def ordinary(self) -> dict[int, bytes]:
        """id -> bytes of the tokens that are not special, in the order of their ids."""
        special_ids = set(self.special_tokens.values())
        return {i: token for i, token in sorted(self.vocab.items()) if i not in special_ids}


@contextmanager
def written_whole(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A file to write to that takes its name when the block ends: at every moment, also after a crash, the name stands
    for all of the old file or all of the new. When the block has ended the new one is on the disk, its name included.

    Raises OSError as open() does, naming the file also where the disk is full; the old file then stands, and nothing is
    left beside it.
    """
    target = Path(path)
    beside = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    if not target.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, f"there is no folder {target.parent}; make it first", str(target))
    try:
        with open(beside, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, target)
        _sync_folder(target.parent)
    except OSError as problem:
        if problem.filename is None and problem.errno is not None:  # write and fsync do not say of which file
            raise OSError(problem.errno, problem.strerror, str(target)) from None
        raise
    finally:
        with suppress(OSError):  # a disk that has failed: the first error is the one to tell
            beside.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Put a folder's names on the disk, where the system lets a folder be opened."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_atomically(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file, all of it or nothing."""
    with written_whole(path) as file:
        file.write(data)


def write_array(path: str | os.PathLike[str], parts: Iterable[Array], dtype: npt.DTypeLike) -> Array:
    """Write arrays, one after the other, as one 1-d array in a .npy file, and map it into memory, read-only."""
    header = {"descr": np.lib.format.dtype_to_descr(np.dtype(dtype)), "fortran_order": False}
    length = 0
    with written_whole(path) as file:
        np.lib.format.write_array_header_1_0(file, {**header, "shape": (length,)})
        data = file.tell()
        for part in parts:
            file.write(part.astype(dtype, copy=False).tobytes())
            length += len(part)
        file.seek(0)
        np.lib.format.write_array_header_1_0(file, {**header, "shape": (length,)})
        assert file.tell() == data, "NumPy pads the header for any length"
    if not length:
        nothing = np.empty(0, dtype)  # an empty file cannot be mapped
        nothing.flags.writeable = False
        return nothing
    return np.lib.format.open_memmap(os.fspath(path), mode="r")


def write_document(path: str | os.PathLike[str], kind: str, fields: Document) -> None:
    """Write the fields of a tokenizer of that kind as JSON, atomically."""
    document = {"format": FORMAT, "version": VERSION, "kind": kind, **fields}
    text = json.dumps(document, ensure_ascii=False, indent=1)
    write_atomically(path, text.encode() + b"\n")


def open_plain(path: str | os.PathLike[str]) -> BinaryIO:
    """Open a file to read; raises OSError as open() does, and at once for what is no plain file: a folder, a device, or
    a pipe, which would make open() wait for somebody who writes.
    """
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a plain file", str(path))
    return open(descriptor, "rb")


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """The bytes of a file, at most MAX_BYTES of them; raises TokenizerError if it cannot be read or is longer."""
    try:
        with open_plain(path) as file:
            data = file.read(min(os.fstat(file.fileno()).st_size, MAX_BYTES) + 1)  # read takes that memory at once
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise TokenizerError(f"cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if len(data) > MAX_BYTES:
        raise TokenizerError(f"not a tokenizer file: it is longer than {MAX_BYTES >> 20} MB")
    return data


def read_json(path: str | os.PathLike[str]) -> Any:
    """The value in a JSON file; raises TokenizerError for what is not JSON, or is built to fill memory."""
    return parse_json(read_bytes(path))


def parse_json(data: bytes) -> Any:
    """The value that JSON says; see read_json."""
    if data.count(b"[") + data.count(b"{") > MAX_BRACKETS:
        raise TokenizerError(f"not a tokenizer file: more than {MAX_BRACKETS:,} opening brackets")
    try:
        return json.loads(data.decode(), object_pairs_hook=_without_repeats, parse_constant=_no_number)
    except RecursionError:
        raise TokenizerError("not a tokenizer file: JSON nested too deeply") from None
    except TokenizerError:
        raise
    except ValueError as error:  # not UTF-8, or not JSON
        raise TokenizerError(f"not a tokenizer file: not JSON: {error}") from None


def read_document(path: str | os.PathLike[str], kind: str | None = None) -> Document:
    """Read a tokenizer file, and check that it is one of ours, and of the kind wanted (default: any).

    Raises TokenizerError, naming the file, for one that is missing, not JSON, or not of this format.
    """
    with naming(path):
        document = read_json(path)
        check_document(document, kind)
        return dict(document)


def check_document(document: object, kind: str | None = None) -> None:
    """Raise TokenizerError unless this is a document of ours, of a version and kind that is read here."""
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        foreign = isinstance(document, dict) and "model" in document
        hint = "; Hugging Face's tokenizer.json is read by Tokenizer.from_huggingface" if foreign else ""
        raise TokenizerError(f'not a tokenizer file of ours: it lacks "format": "{FORMAT}"{hint}')
    if document.get("version") != VERSION:
        found = document.get("version")
        raise TokenizerError(f"version {found!r} of the format; this program reads version {VERSION}")
    kinds = [kind] if kind else ["bpe", "char", "sentencepiece"]
    if document.get("kind") not in kinds:
        raise TokenizerError(f'expected "kind" {" or ".join(kinds)}, got {document.get("kind")!r}')


@contextmanager
def naming(path: str | os.PathLike[str]) -> Iterator[None]:
    """Put the name of the file before the message of a TokenizerError raised inside, and keep it to a line or two."""
    with briefly(f"{os.fspath(path)}: "):
        yield


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
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise TokenizerError(f"{key!r} stands twice in one object")
            seen.add(key)
    return document


def _no_number(literal: str) -> NoReturn:
    raise TokenizerError(f"not a tokenizer file: not JSON: it holds {literal}")


def field(document: Document, name: str, expected: type) -> Any:
    """A field of a document; raises TokenizerError if it is missing or of another type."""
    value = document.get(name)
    if not isinstance(value, expected):
        got = type(value).__name__ if name in document else "nothing"
        raise TokenizerError(f'"{name}": expected {expected.__name__}, got {got}')
    return value


def bpe_fields(parts: Parts) -> Document:
    """The JSON fields of a byte-level BPE."""
    return {
        "pattern": parts.pattern,
        "special_tokens": dict(parts.special_tokens),
        # so that the files of all others stay as they are
        **({"ignore_merges": True} if parts.ignore_merges else {}),
        **({"normal_form": parts.normal_form} if parts.normal_form else {}),
        **({"partial": True} if parts.partial else {}),
        "merges": [f"{to_printable(left)} {to_printable(right)}" for left, right in parts.merges],
        "vocab": {to_printable(token): i for i, token in parts.ordinary.items()},
    }


def parse_bpe(document: Document) -> Parts:
    """Read those fields back; the vocabulary comes without the special tokens.

    Checks the file's grammar only: whether the parts fit together is the Tokenizer's to say.
    """
    return Parts(
        parse_vocab(field(document, "vocab", dict)),
        parse_merges(field(document, "merges", list)),
        field(document, "special_tokens", dict),
        field(document, "pattern", str),
        field(document, "ignore_merges", bool) if "ignore_merges" in document else False,
        field(document, "normal_form", str) if "normal_form" in document else None,
        field(document, "partial", bool) if "partial" in document else False,
    )


def parse_vocab(tokens: Mapping[str, Any]) -> dict[int, bytes]:
    """id -> bytes, from tokens in the printable alphabet -> id."""
    vocab: dict[int, bytes] = {}
    for token, i in tokens.items():
        if type(i) is not int:
            raise TokenizerError(f'"vocab": the id of {token!r} is {i!r}, not a whole number')
        if i in vocab:
            raise TokenizerError(f'"vocab": id {i} is given twice, to {to_printable(vocab[i])!r} and {token!r}')
        vocab[i] = from_printable(token)
    return vocab


def parse_merges(lines: Iterable[Any]) -> list[tuple[bytes, bytes]]:
    """Pairs of bytes, from lines of two tokens in the printable alphabet with a space between."""
    known: dict[str, bytes] = {}  # most parts come more than once
    merges = []
    for rank, line in enumerate(lines):
        parts = line.split(" ") if isinstance(line, str) else []
        if len(parts) != 2:
            raise TokenizerError(f'"merges": entry {rank} is {line!r}, not two tokens with a space between')
        for part in parts:
            if part not in known:
                known[part] = from_printable(part)
        merges.append((known[parts[0]], known[parts[1]]))
    return merges


def parse_char(document: Document) -> list[str]:
    """Read the characters of a character-level tokenizer."""
    characters: list[str] = field(document, "characters", list)
    for i, character in enumerate(characters):
        if not isinstance(character, str) or len(character) != 1:
            raise TokenizerError(f'"characters": entry {i} is {character!r}, not one character')
    if characters != sorted(set(characters)):
        raise TokenizerError('"characters": they must be in the order of their code points, each once')
    return characters
