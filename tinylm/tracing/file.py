"""A trace in a file; nothing in it is ever evaluated.

The file is a safetensors file (8 bytes of length, a JSON header, the arrays). Its arrays are called "0", "1", ...; its
metadata has

    format    "tinylm.trace"
    version   "1"
    trace     JSON: {"summarised": how many arrays were not kept, "steps": [...]}

A step is an object with the fields of TraceStep; those that are empty are left out. In inputs, kept and outputs a
number stands for the array of that name, an object for a Summary, or for an array with many zeros: "packed" names its
bits, one for each number, most significant first, 0 for a zero, and its other numbers in order; "shape" is its shape.
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
WORDS = ("title", "scope", "op", "sentence", "equation", "source", "caller")
TABLES = ("letters", "sources", "leaves", "settings")
NOT_A_NUMBER = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


def save(path: str | os.PathLike[str], steps: list[TraceStep], summarised: int) -> None:
    """Write steps and their values to a file, atomically."""
    arrays: dict[str, np.ndarray] = {}
    numbers: dict[int, int] = {}

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
            if value or field.name == "number":
                document[field.name] = _numbers(value)
        written.append(document)
    trace = json.dumps({"summarised": summarised, "steps": written}, ensure_ascii=False, allow_nan=False)
    types = json.dumps({name: str(array.dtype) for name, array in arrays.items() if array.dtype == np.float16})
    write_tensors(path, arrays, {"format": FORMAT, "version": VERSION, "trace": trace, "float16": types})


def _numbers(value: Any) -> Any:
    """The same with words for numbers that JSON does not have."""
    if isinstance(value, float) and not math.isfinite(value):
        return {"number": str(value)}
    if isinstance(value, dict):
        return {key: _numbers(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_numbers(part) for part in value]
    return value


def _read_numbers(value: Any) -> Any:
    if isinstance(value, dict):
        if set(value) == {"number"}:
            return NOT_A_NUMBER[value["number"]]
        return {key: _read_numbers(part) for key, part in value.items()}
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
        for name, dtype in json.loads(metadata["float16"]).items():
            arrays[name] = arrays[name].astype(np.dtype(dtype))
        for array in arrays.values():
            array.flags.writeable = False
        document = json.loads(metadata["trace"])
        steps = [_step(entry, arrays, number) for number, entry in enumerate(document["steps"])]
        summarised = int(document["summarised"])
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as problem:
        raise CheckpointError(f"{path}: a damaged trace: {problem!r}") from None
    return steps, sum(array.nbytes for array in arrays.values()), summarised


def _step(entry: dict[str, Any], arrays: dict[str, np.ndarray], number: int) -> TraceStep:
    known = {field.name for field in fields(TraceStep)}
    if not set(entry) <= known:
        raise ValueError(f"step {number} has unknown fields {sorted(set(entry) - known)}")
    values = {key: value if key in PARTS else _read_numbers(value) for key, value in entry.items()}
    if values["number"] != number or values["kind"] not in KINDS:
        raise ValueError(f"step {number} is numbered {values['number']!r} and of kind {values['kind']!r}")
    if not all(isinstance(values.get(name, ""), str) for name in WORDS):
        raise ValueError(f"step {number} has something else where words are expected")
    if not all(isinstance(values.get(name, {}), dict) for name in (*TABLES, *PARTS)):
        raise ValueError(f"step {number} has something else where a table is expected")
    if not all(isinstance(word, str) for name in ("letters", "leaves") for word in values.get(name, {}).values()):
        raise ValueError(f"step {number} has something else where words are expected")
    if not all(_whole(made) and 0 <= made < number for made in values.get("sources", {}).values()):
        raise ValueError(f"step {number} has an input of a step that is not before it")
    if type(values.get("seconds", 0.0)) not in (int, float) or not (_whole(values.get("node", 0))):
        raise ValueError(f"step {number} has something else where a number is expected")
    for part in PARTS:
        values[part] = Values({name: _value(value, arrays) for name, value in values.get(part, {}).items()})
    return TraceStep(**values)


def _whole(value: Any) -> bool:
    return type(value) is int


def _value(value: Any, arrays: dict[str, np.ndarray]) -> Stored:
    if isinstance(value, dict) and "packed" in value:
        bits, others = (arrays[str(int(name))] for name in value["packed"])
        packed = Packed(tuple(map(int, value["shape"])), bits, others)
        size = math.prod(packed.shape)
        if min(packed.shape, default=0) < 0 or bits.dtype != np.uint8 or bits.shape != (-(-size // 8),):
            raise ValueError("a packed array does not fit its shape")
        if others.shape != (int(np.unpackbits(bits, count=size).sum()),):
            raise ValueError("a packed array has not as many numbers as bits")
        return packed
    if isinstance(value, dict):
        value = _read_numbers(value)
        return Summary(**{**value, "shape": tuple(value["shape"]), "sample": tuple(value["sample"])})
    return arrays[str(int(value))]
