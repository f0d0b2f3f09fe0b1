"""log.jsonl of a run: what happened at which step, and the picture of its losses."""

import json
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from tinylm.show.curves import line_chart, loss_series
from tinylm.storage import CheckpointError, parse_json
from tokenizer.formats import open_plain, write_atomically

__all__ = ["Log"]

LONGEST_LOG, LONGEST_LINE = 1 << 30, 1 << 20  # bytes; a step takes some 150


class Log:
    """log.jsonl: one JSON object a line, each with a step; also kept in memory, for the picture."""

    def __init__(self, path: Path):
        self.path = path
        self.entries = self._read()

    def _read(self) -> list[dict[str, Any]]:
        """The entries of the file; a last line that was cut off by a crash is left out."""
        entries = []
        try:
            with open_plain(self.path) as file:
                if os.fstat(file.fileno()).st_size > LONGEST_LOG:
                    raise CheckpointError(f"{self.path}: longer than {LONGEST_LOG:,} bytes; move it away")
                for line in iter(partial(file.readline, LONGEST_LINE), b""):
                    with suppress(ValueError):
                        entry = parse_json(line)
                        if isinstance(entry, dict) and isinstance(entry.get("step"), int):
                            entries.append(entry)
        except FileNotFoundError:
            pass
        except OSError as problem:
            raise CheckpointError(f"{self.path}: {problem.strerror}") from None
        return entries

    def add(self, entry: dict[str, Any]) -> None:
        """Append one entry, with the time."""
        entry = {"time": round(time.time(), 3), **entry}
        self.entries.append(entry)
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(entry, ensure_ascii=False) + "\n")

    def has(self, key: str, step: int) -> bool:
        """Whether there is an entry of this step with this key; they are the last ones."""
        recent = (entry for entry in reversed(self.entries) if entry["step"] >= step)
        return any(key in entry and entry["step"] == step for entry in recent)

    def forget_after(self, step: int) -> None:
        """Drop entries of steps after the checkpoint: they are about to be made again."""
        self.entries = [entry for entry in self.entries if entry["step"] <= step]
        text = "".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in self.entries)
        write_atomically(self.path, text.encode("utf-8", "replace"))

    def picture(self, bounds: Mapping[str, float]) -> str:
        """The loss curves, as SVG."""
        series = loss_series(self.entries)
        return line_chart(series, title="Loss", x_label="step", y_label="nats per token", bounds=bounds)
