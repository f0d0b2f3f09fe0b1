"""The progress bars of training, on standard error; quiet where that is not a terminal."""

from contextlib import ExitStack
from typing import Any

from tokenizer.count import Counting
from tokenizer.train import Merge


class Progress:
    """Two bars on standard error, counting and then merging; none where that is not a terminal."""

    def __init__(self, stack: ExitStack, total_bytes: int, n_merges: int) -> None:
        self._stack, self._total_bytes, self._n_merges = stack, total_bytes, n_merges
        self._bar: Any = None
        self.counted = 0

    def __call__(self, record: Counting | Merge) -> None:
        if isinstance(record, Counting):
            bar = self._bar or self._open("counting", self._total_bytes, "B")
            bar.update(record.bytes_read - self.counted)
            self.counted = record.bytes_read
        else:
            if record.rank == 0:
                self._bar = self._open("merging", self._n_merges, "")
            self._bar.update()

    def _open(self, what: str, total: int, unit: str) -> Any:
        from tqdm import tqdm  # only who trains at the command line needs it

        if self._bar is not None:
            self._bar.close()
        self._bar = tqdm(total=total, desc=what, unit=unit, unit_scale=bool(unit), disable=None)
        self._stack.callback(self._bar.close)
        return self._bar
