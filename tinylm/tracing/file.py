"""A trace in a file; nothing in it is ever evaluated.

The file is a safetensors file (8 bytes of length, a JSON header, the arrays). Its metadata has format "tinylm.trace"
and version "1". Its arrays are called "0", "1", ... and "trace"; the last is the bytes of a JSON object:

    words        texts that steps share: sentence, equation, source and caller of a step are numbers of them
    summarised   how many arrays were not kept whole
    float16      names of arrays of that type
    steps        a list of objects with the fields of TraceStep; those that are empty are left out

In inputs, kept and outputs a number stands for the array of that name, an object for a Summary, or for an array with
many zeros: "packed" names its bits, one for each number, most significant first, 0 for a zero, and its other numbers in
order; "shape" is its shape. A float that JSON lacks is {"$float": "nan"}; a key that begins with $ has another $.
"""

import json
import math
import os
from dataclasses import asdict, fields
from typing import Any

import numpy as np

from tinylm.storage import CheckpointError, read_tensors, write_tensors
from tinylm.tracing.step import KINDS, TraceStep
from tinylm.tracing.values import Packed, Stored, Summary, Values

__all__ = ["load", "save"]

FORMAT, VERSION = "tinylm.trace", "1"
PARTS = ("inputs", "kept", "outputs")
SHARED = ("sentence", "equation", "source", "caller")
WORDS = ("title", "scope", "op", *SHARED)
TABLES = ("letters", "sources", "leaves", "settings")
NOT_A_NUMBER = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}
MOST = 64  # times the bytes of a file that its packed arrays may fill


def save(path: str | os.PathLike[str], steps: list[TraceStep], summarised: int) -> None:
    """Write steps and their values to a file, atomically."""
    arrays: dict[str, np.ndarray] = {}
    numbers: dict[int, int] = {}
    words: dict[str, int] = {}

    def number(array: np.ndarray) -> int:
        if id(array) not in numbers:
            numbers[id(array)] = len(numbers)
            arrays[str(numbers[id(array)])] = array
        return numbers[id(array)]

    def entry(value: Stored) -> Any:
        if isinstance(value, Summary):
            return _numbers(asdict(value))
        if isinstance(value, Packed):
            return {"packed": [number(value.bits), number(value.others)], "shape": list(value.shape)}
        return number(value)

    written = []
    for step in steps:
        document: dict[str, Any] = {}
        for field in fields(TraceStep):
            value = getattr(step, field.name)
            if field.name in PARTS:
                value = {name: entry(array) for name, array in value.raw.items()}
            elif field.name in SHARED:
                document[field.name] = words.setdefault(value, len(words))
                continue
            else:
                value = _numbers(value)
            if value or field.name == "number":
                document[field.name] = value
        written.append(document)
    types = [name for name, array in arrays.items() if array.dtype == np.float16]
    trace = {"words": list(words), "summarised": summarised, "float16": types, "steps": written}
    text = json.dumps(trace, allow_nan=False).encode()
    write_tensors(path, {**arrays, "trace": np.frombuffer(text, np.uint8)}, {"format": FORMAT, "version": VERSION})


def _numbers(value: Any) -> Any:
    """The same with objects for numbers that JSON does not have."""
    if isinstance(value, float) and not math.isfinite(value):
        return {"$float": str(value)}
    if isinstance(value, dict):
        return {f"${key}" if key.startswith("$") else key: _numbers(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_numbers(part) for part in value]
    return value


def _read_numbers(value: Any) -> Any:
    if isinstance(value, dict):
        if set(value) == {"$float"}:
            return NOT_A_NUMBER[value["$float"]]
        return {key.removeprefix("$"): _read_numbers(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_read_numbers(part) for part in value]
    return value


def load(path: str | os.PathLike[str]) -> tuple[list[TraceStep], int, int]:
    """The steps in a file, the bytes of their arrays, and how many arrays were only summarised.

    Raises CheckpointError naming the file for one that is damaged, foreign, or of a later version.
    """
    arrays, metadata = read_tensors(path)
    if metadata.get("format") != FORMAT:
        raise CheckpointError(f"{path}: not a trace: its format is {metadata.get('format')!r}, expected {FORMAT!r}")
    if metadata.get("version") != VERSION:
        raise CheckpointError(
            f"{path}: a trace of version {metadata.get('version')!r}; this tinylm reads {VERSION}: install the one "
            "that wrote it"
        )
    try:
        document = json.loads(arrays.pop("trace").tobytes())
        for name in document["float16"]:
            arrays[name] = arrays[name].astype(np.float16)
        for array in arrays.values():
            array.flags.writeable = False
        reader = _Reader(arrays, document["words"])
        steps = [reader.step(entry, number) for number, entry in enumerate(document["steps"])]
        summarised = int(document["summarised"])
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError, RecursionError) as problem:
        raise CheckpointError(f"{path}: a damaged trace: {problem!r}") from None
    return steps, sum(array.nbytes for array in arrays.values()), summarised


class _Reader:
    """Makes steps of their entries, each array checked once."""

    def __init__(self, arrays: dict[str, np.ndarray], words: list[str]):
        self.arrays, self.words = arrays, words
        self._packed: dict[Any, Packed] = {}
        self._room = MOST * sum(array.nbytes for array in arrays.values())

    def step(self, entry: dict[str, Any], number: int) -> TraceStep:
        known = {field.name for field in fields(TraceStep)}
        if not set(entry) <= known:
            raise ValueError(f"step {number} has unknown fields {sorted(set(entry) - known)}")
        values = {key: value if key in PARTS else _read_numbers(value) for key, value in entry.items()}
        values |= {name: self.words[values[name]] for name in SHARED}
        for part in PARTS:
            named = values.get(part, {})
            _expect(isinstance(named, dict), number, "a table of arrays")
            values[part] = Values({name: self.value(value) for name, value in named.items()})
        _check(values, number)
        return TraceStep(**values)

    def value(self, value: Any) -> Stored:
        if isinstance(value, dict) and "packed" in value:
            bits, others = (str(int(name)) for name in value["packed"])
            key = bits, others, tuple(map(int, value["shape"]))
            if key not in self._packed:
                self._packed[key] = self._unpacked(*key)
            return self._packed[key]
        if isinstance(value, dict):
            return _summary(_read_numbers(value))
        return self.arrays[str(int(value))]

    def _unpacked(self, bits: str, others: str, shape: tuple[int, ...]) -> Packed:
        packed = Packed(shape, self.arrays[bits], self.arrays[others])
        size = math.prod(shape)
        self._room -= packed.nbytes
        if min(shape, default=0) < 0 or packed.bits.dtype != np.uint8 or packed.bits.shape != (-(-size // 8),):
            raise ValueError("a packed array does not fit its shape")
        if self._room < 0:
            raise ValueError(f"packed arrays would fill more than {MOST} times the file")
        if packed.others.shape != (int(np.unpackbits(packed.bits, count=size).sum()),):
            raise ValueError("a packed array has not as many numbers as bits")
        return packed


def _expect(right: bool, number: int, what: str) -> None:
    if not right:
        raise ValueError(f"step {number} has something else where {what} is expected")


def _check(values: dict[str, Any], number: int) -> None:
    """Raise ValueError for a field of a step that is not what it should be."""
    _expect(values["number"] == number and type(values["number"]) is int, number, "its number")
    _expect(values["kind"] in KINDS, number, "one of the kinds")
    _expect(all(isinstance(values.get(name, ""), str) for name in WORDS), number, "a text")
    _expect(all(isinstance(values.get(name, {}), dict) for name in TABLES), number, "a table")
    texts = [text for name in ("letters", "leaves") for text in values.get(name, {}).values()]
    _expect(all(isinstance(text, str) for text in texts), number, "a text")
    sources = values.get("sources", {}).values()
    _expect(all(_whole(made) and 0 <= made < number for made in sources), number, "an earlier step")
    _expect(type(values.get("seconds", 0.0)) in (int, float), number, "a time")
    _expect(_whole(values.get("node", 0)), number, "the number of a node")
    _expect(values["kind"] != "update" or "p" in values.get("leaves", {}), number, "a parameter's name")


def _whole(value: Any) -> bool:
    return type(value) is int


def _summary(value: dict[str, Any]) -> Summary:
    summary = Summary(**{**value, "shape": tuple(value["shape"]), "sample": tuple(value["sample"])})
    numbers = (summary.low, summary.high, summary.mean, summary.std, *summary.sample)
    counts = (summary.nan, summary.inf, *summary.shape)
    if not all(type(x) in (int, float) for x in numbers) or not all(_whole(n) and n >= 0 for n in counts):
        raise ValueError("a summary has something else where a number is expected")
    if not isinstance(summary.dtype, str):
        raise ValueError("a summary has no type")
    return summary
