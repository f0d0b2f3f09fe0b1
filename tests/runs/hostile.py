"""Files that were damaged on purpose: bytes changed anywhere, and values changed where the format has values."""

import contextlib
import json
import random
import resource
import struct
import time
from collections.abc import Callable
from copy import deepcopy
from typing import Any

VALUES: list[Any] = [
    0, 1, -1, 2, 7, 255, 256, 65535, 1 << 31, (1 << 31) - 1, 1 << 32, 1 << 53, (1 << 63) - 1, 1 << 63, 1 << 64,
    1 << 70, -(1 << 63), 10**39, 10**400, 0.5, -0.0, 1e308, -1e308, 1e-320, float("inf"), float("-inf"), float("nan"),
    True, False, None, "", "a", "0", "\x00", "é\ud7ff", "../../etc/passwd", "/dev/zero", "x" * 5000, "F8_E4M3",
    "F4", "I64", "F64", "BOOL", "BF16", "rope", "rms", [], {}, [[]], [None], [0, 1 << 62], [1 << 40, 1 << 40], [-1, -1],
    [0] * 3000, {"": {}}, {"a": 1}, [[[[[[]]]]]],
]  # fmt: skip
TOKENS = [
    b"[" * 100_000, b'{"a":' * 20_000, b"[" * 200, b"1e400", b"-1e400", b"9" * 5000, b"NaN", b"Infinity", b"\xff\xfe",
    b"\x00",    b"\\ud800", b'"', b",", b":", b"}", b"]", b"null", b"[[],[],[]]", b"[]," * 5000, b'"a":1,"a":2',
]  # fmt: skip


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) inside a JSON value."""
    found, ahead = [], [value]
    while ahead:
        here = ahead.pop()
        keys = list(here) if isinstance(here, dict) else range(len(here)) if isinstance(here, list) else []
        for key in keys:
            found.append((here, key))
            ahead.append(here[key])
    return found


def changed_json(rng: random.Random, text: bytes) -> bytes:
    """The JSON with one to three of its values replaced, removed, renamed, copied over each other or spelled oddly."""
    document = json.loads(text)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        spots = places(document)
        if not spots:
            break
        holder, key = rng.choice(spots)
        how = rng.randrange(7)
        if how <= 2:
            holder[key] = deepcopy(rng.choice(VALUES))  # it may be changed in turn
        elif how == 3:
            del holder[key]
        elif how == 4 and isinstance(holder, dict):
            holder[rng.choice(["", "a", "\x00", "format", "shape", "999", "x" * 300])] = holder.pop(key)
        elif how == 5:
            other, name = rng.choice(spots)
            with contextlib.suppress(LookupError):  # one may have lain inside the other
                holder[key] = json.loads(json.dumps(other[name]))
        elif isinstance(holder[key], int) and not isinstance(holder[key], bool):
            holder[key] += rng.choice((-1, 1, 1 << 20, -(1 << 40), 1 << 61))
    made = json.dumps(document).encode()
    if rng.random() < 0.2 and made.count(b":"):
        at = rng.choice([i for i, byte in enumerate(made) if byte == ord(":")]) + 1
        made = made[:at] + rng.choice(TOKENS) + made[at + rng.choice((0, 1, 5)) :]
    return made


def changed_bytes(rng: random.Random, data: bytes) -> bytes:
    """The bytes with some flipped, cut off, cut out, repeated or put in."""
    made = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8))):
        at, how = rng.randrange(len(made) + 1), rng.randrange(6)
        if how <= 1 and at < len(made):
            made[at] = rng.randrange(256)
        elif how == 2:
            del made[at:]
        elif how == 3:
            del made[at : at + rng.choice((1, 2, 8, 64))]
        elif how == 4:
            made[at:at] = rng.choice(TOKENS[2:])[:600]
        else:
            made[at:at] = made[at : at + rng.choice((1, 4, 40))]
    return bytes(made)


def changed_safetensors(rng: random.Random, data: bytes, inside: str | None = None) -> bytes:
    """A safetensors file with its header's values, its header's length or its bytes changed.

    inside: a key of the metadata that holds JSON, which is changed too
    """
    how = rng.randrange(8)
    if how == 0:
        return changed_bytes(rng, data)
    (length,) = struct.unpack("<Q", data[:8])
    header, numbers = data[8 : 8 + length], data[8 + length :]
    if how <= 3 and inside is not None:
        document = json.loads(header)
        document["__metadata__"][inside] = changed_json(rng, document["__metadata__"][inside].encode()).decode("latin1")
        header = json.dumps(document).encode()
    else:
        header = changed_json(rng, header)
    said = len(header)
    if rng.random() < 0.1:
        said = rng.choice((0, 1, said - 1, said + 1, 1 << 20, 1 << 31, 1 << 60, (1 << 64) - 1))
    if rng.random() < 0.1:
        numbers = changed_bytes(rng, numbers)
    return struct.pack("<Q", max(said, 0)) + header + numbers


def attacked(
    make: Callable[[random.Random], bytes], read: Callable[[bytes], object], refusals: tuple[type[Exception], ...],
    count: int, seed: int = 1,
) -> tuple[int, int]:  # fmt: skip
    """Let a reader meet `count` files; (how many it read, how many it refused).

    Anything but a refusal fails, as does a file that takes 4 seconds of the processor or 400 MB of memory.
    """
    rng, read_, refused = random.Random(seed), 0, 0
    before = peak()
    for number in range(count):
        data, began = make(rng), time.process_time()
        try:
            read(data)
            read_ += 1
        except refusals as problem:
            refused += 1
            told = str(problem)
            assert 0 < len(told) < 2000, (number, told[:500])
            assert told.replace("\n", "").isprintable(), (number, told)
        except Exception as problem:
            raise AssertionError(f"file {number}: {repr(problem)[:500]} on {data[:2000]!r}") from problem
        taken = time.process_time() - began
        assert taken < 4, (number, taken, data[:3000])
    assert peak() - before < 400e6, f"{(peak() - before) / 1e6:.0f} MB"
    return read_, refused


def peak() -> float:
    """The most memory that this process ever held, in bytes, on Linux."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0
