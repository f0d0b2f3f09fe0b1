"""Token ids as training data: files mapped into memory, and batches cut from them; and `tales`, texts without end."""

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from tinylm.backend import stream
from tinylm.functional import IGNORED
from tinylm.tales import tales
from tokenizer.formats import open_plain, write_array

_default_data = stream(0, "data")  # for batches asked for without a stream

__all__ = [
    "ANSWER",
    "BEGINS",
    "Dialogues",
    "Part",
    "batches",
    "get_batch",
    "read_part",
    "read_tokens",
    "split",
    "tales",
    "tokens_of",
    "windows_in_order",
    "write_part",
    "write_tokens",
]

LONGEST_HEADER = 10_000  # NumPy's own limit
ONE_ROW = re.compile(
    rb"\{'descr': '[<>|][iu](?P<size>[1248])', 'fortran_order': (False|True), 'shape': \((?P<count>\d{1,15}),\), \} *\n"
)

ANSWER, BEGINS = 1, 2  # marks of a token: it is trained on; a dialogue begins with it


def write_tokens(path: str | os.PathLike[str], ids: np.ndarray) -> None:
    """Write ids as a .npy file of whole numbers, atomically; `read_tokens` maps it back."""
    row = np.asarray(ids)
    write_array(path, [row], row.dtype)  # np.save would hide from the caller that a disk is full


def read_tokens(path: str | os.PathLike[str]) -> np.ndarray:
    """The ids of a .npy file, mapped into memory: only the parts that are used are read.

    Raises ValueError for anything but a one-dimensional array of whole numbers.
    """
    with open_plain(path) as file:
        head = file.read(12)
        start = 12 if head[6:7] > b"\x01" else 10  # of the header, by the version of the format
        length = int.from_bytes(head[8:start], "little")
        if head[:6] != b"\x93NUMPY" or length > LONGEST_HEADER:
            raise ValueError(f"{path}: not a file of token ids, which NumPy's .npy files are")
        file.seek(start)
        header = ONE_ROW.fullmatch(file.read(length))
        if header is None:  # looked at here, because NumPy evaluates and counts what a file says
            raise ValueError(f"{path}: expected a one-dimensional array of whole numbers")
        need = start + length + int(header["size"]) * int(header["count"])
        if need > os.fstat(file.fileno()).st_size:
            raise ValueError(f"{path}: not a file of token ids, or cut off: it should have {need:,} bytes")
    return np.lib.format.open_memmap(os.fspath(path), mode="r")


def split(tokens: np.ndarray, fraction: float) -> tuple[np.ndarray, np.ndarray]:
    """The first part for training, the last `fraction` for validation: text is not shuffled across the cut."""
    cut = len(tokens) - int(len(tokens) * fraction)
    return tokens[:cut], tokens[cut:]


def get_batch(
    tokens: np.ndarray, batch_size: int, block_size: int, rng: np.random.Generator | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Random windows of a long sequence, and the same windows one token later.

    tokens: (N,)   →   x, y: (batch_size, block_size) of int64, with y[:, t] = x[:, t + 1]: y[b, t] is the
    token that follows x[b, : t + 1].

    Raises ValueError where N is not larger than block_size.

    >>> x, y = get_batch(np.arange(10), batch_size=1, block_size=4)
    >>> bool((y == x + 1).all())
    True
    """
    choices = len(tokens) - block_size
    if choices < 1:
        raise ValueError(f"{len(tokens)} tokens are too few for a block of {block_size}: need {block_size + 1}")
    starts = (rng or _default_data).integers(0, choices, batch_size)
    windows = np.stack([tokens[start : start + block_size + 1] for start in starts]).astype(np.int64)
    return windows[:, :-1].copy(), windows[:, 1:].copy()  # apart: whoever masks targets must not change inputs


def batches(
    tokens: np.ndarray, batch_size: int, block_size: int, rng: np.random.Generator
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Batches without end; each is drawn when it is asked for, so the stream's state is the position in the data."""
    while True:
        yield get_batch(tokens, batch_size, block_size, rng)


def windows_in_order(tokens: np.ndarray, batch_size: int, block_size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Every token of a sequence as a target once, in windows that do not overlap, for evaluation.

    The last window may be shorter and then comes alone.
    """
    ends = [*range(block_size, len(tokens), block_size)]
    for first in range(0, len(ends), batch_size):
        chunk = ends[first : first + batch_size]
        rows = np.stack([tokens[end - block_size : end + 1] for end in chunk]).astype(np.int64)
        yield rows[:, :-1].copy(), rows[:, 1:].copy()
    rest = np.asarray(tokens[(ends[-1] if ends else 0) :]).astype(np.int64)
    if len(rest) > 1:
        yield rest[None, :-1].copy(), rest[None, 1:].copy()


class Dialogues:
    """Texts that are trained on in part, each in a row of its own: dialogues, of which the answers count.

    tokens   (N,) the ids of all of them, one after the other
    marks    (N,) a sum for each token of ANSWER, where it is trained on, and BEGINS, where a dialogue begins

    In a batch rows are padded at the right, where the causal mask hides the padding, and its targets are IGNORED: no
    dialogue sees another. len() is the number of tokens, `[:n]` the first dialogues that have at most n tokens together
    (at least one). Raises ValueError for arrays that do not fit, and for a dialogue without a token to train on.
    """

    def __init__(self, tokens: np.ndarray, marks: np.ndarray):
        if len(tokens) != len(marks) or not len(marks) or not marks[0] & BEGINS:
            raise ValueError("the marks do not fit the tokens of the dialogues")
        self.tokens, self.marks = tokens, marks
        self._ends = np.append(np.flatnonzero(marks & BEGINS)[1:], len(marks))
        self._starts = np.append(0, self._ends[:-1])
        if not np.logical_or.reduceat(marks & (ANSWER | BEGINS) == ANSWER, self._starts).all():
            raise ValueError("there is a dialogue without a token to train on")

    @property
    def count(self) -> int:
        """How many dialogues there are."""
        return len(self._starts)

    @property
    def longest(self) -> int:
        """Tokens of the longest dialogue."""
        return int((self._ends - self._starts).max())

    @property
    def answers(self) -> np.ndarray:
        """The ids that are trained on, of all dialogues."""
        return np.asarray(self.tokens[self.marks & ANSWER != 0])

    def __len__(self) -> int:
        return len(self.tokens)

    def __getitem__(self, part: slice) -> "Dialogues":
        if part.start is not None or part.step is not None:
            raise ValueError("of dialogues only the first can be taken: [:n]")
        n = len(self) if part.stop is None else part.stop
        return self.first(max(1, int(np.searchsorted(self._ends, n, side="right"))))

    def first(self, count: int) -> "Dialogues":
        """The first so many dialogues."""
        end = int(self._ends[count - 1])
        return Dialogues(self.tokens[:end], self.marks[:end])

    def question(self) -> list[int]:
        """The ids of the first dialogue up to its first answer."""
        first = int(np.argmax(self.marks[1:] & ANSWER)) + 1
        return [int(i) for i in self.tokens[:first]]

    def split(self, fraction: float) -> tuple["Dialogues", "Dialogues | None"]:
        """The first dialogues for training, the last `fraction` of them, at least one, for validation.

        None where fraction is 0 or there is but one dialogue.
        """
        cut = self.count - min(max(1, int(self.count * fraction)), self.count - 1) if fraction else self.count
        if cut == self.count:
            return self, None
        end = int(self._ends[cut - 1])
        return Dialogues(self.tokens[:end], self.marks[:end]), Dialogues(self.tokens[end:], self.marks[end:])

    def batch(self, numbers: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """These dialogues as rows.  →   x, y: (len(numbers), T) of int64, T + 1 being the tokens of the longest"""
        spans = [(int(self._starts[i]), int(self._ends[i])) for i in numbers]
        x = np.zeros((len(spans), max(b - a for a, b in spans) - 1), np.int64)
        y = np.full(x.shape, IGNORED, np.int64)
        for row, (a, b) in enumerate(spans):
            x[row, : b - a - 1] = self.tokens[a : b - 1]
            wanted = (self.marks[a + 1 : b] & ANSWER).astype(bool)
            y[row, : b - a - 1] = np.where(wanted, self.tokens[a + 1 : b].astype(np.int64), IGNORED)
        return x, y

    def batches(self, batch_size: int, seed: int, first: int = 0) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Batches without end, from number `first` on; seed and number alone decide what is in one.

        Each dialogue comes once before any comes again, every time in another order.
        """
        number, epoch, order = first * batch_size, -1, np.empty(0, np.int64)
        while True:
            chosen = []
            for place in range(number, number + batch_size):
                if place // self.count != epoch:
                    epoch = place // self.count
                    order = stream(seed, f"dialogues {epoch}").permutation(self.count)
                chosen.append(int(order[place % self.count]))
            yield self.batch(chosen)
            number += batch_size

    def in_order(self, batch_size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Every dialogue once, for evaluation."""
        for first in range(0, self.count, batch_size):
            yield self.batch(range(first, min(first + batch_size, self.count)))


# -- a part of what is trained on, in files ----------------------------------------------------------------

Part = np.ndarray | Dialogues  # a row of tokens, or dialogues


def tokens_of(part: Part) -> np.ndarray:
    """The ids of all of it."""
    return part.tokens if isinstance(part, Dialogues) else part


def write_part(path: Path, part: Part) -> None:
    """Write the tokens to a .npy file, and of dialogues the marks to one beside it, as train_marks.npy."""
    write_tokens(path, tokens_of(part))
    if isinstance(part, Dialogues):
        write_tokens(_marks(path), part.marks)


def read_part(path: Path) -> Part:
    """What `write_part` wrote; raises OSError or ValueError for what cannot be read."""
    ids = read_tokens(path)
    return Dialogues(ids, read_tokens(_marks(path))) if _marks(path).exists() else ids


def _marks(path: Path) -> Path:
    return path.with_name(f"{path.stem}_marks.npy")
