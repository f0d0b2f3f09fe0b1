"""What every reader owes a hostile file, and how files are made hostile."""

import gc
import random
import time
import tracemalloc
from collections.abc import Callable, Sequence
from typing import Any

from tinylm.storage import CheckpointError

NUMBERS = [  # that a count, a length, a size or an offset may be made into
    *(0, 1, 2, 3, 7, 8, 9, 12, 31, 32, 33, 63, 64, 65, 255, 256, 4096, 65535, 65536, 1 << 20, 1 << 24),
    *((1 << bits) + more for bits in (31, 32, 40, 60, 61, 63, 64) for more in (-1, 0, 1)),
]


def refusal(read: Callable[[bytes], Any], data: bytes) -> str:
    """The message with which bytes are refused, within a second and 300 kB; fails the test where they are not."""
    gc.collect()
    tracemalloc.start()
    started, message = time.perf_counter(), None
    try:
        read(data)
    except CheckpointError as problem:
        message = str(problem)
    finally:
        took, peak = time.perf_counter() - started, tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert message is not None, "it was read as if nothing were wrong"
    assert took < 1
    assert peak < 300_000
    assert len(message) < 500
    assert "\n" not in message
    return message


def mutated(data: bytes, marks: Sequence[tuple[str, int, int]], rng: random.Random) -> bytes:
    """The file with one to three things wrong: a number of its structure, a bit, a piece lost, doubled or put in."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        kind = rng.random()
        at = rng.randrange(len(changed)) if changed else 0
        if kind < 0.5:  # a number of the structure
            _, at, size = rng.choice(marks)
            old = int.from_bytes(changed[at : at + size], "little")
            number = rng.choice(
                [*NUMBERS, old + 1, old - 1, old * 2, old // 2, len(data), len(data) - at, rng.getrandbits(64)]
            )
            changed[at : at + size] = (number % (1 << 8 * size)).to_bytes(size, "little")
        elif kind < 0.7 and changed:
            changed[at] ^= 1 << rng.randrange(8)
        elif kind < 0.8:
            del changed[at:]
        elif kind < 0.87:
            del changed[at : at + rng.choice((1, 4, 8, 32))]
        elif kind < 0.94:
            changed[at:at] = changed[at : at + rng.choice((1, 4, 8, 32, 100))]
        else:
            changed[at:at] = rng.randbytes(rng.choice((1, 4, 8, 32)))
    return bytes(changed)
