"""GGUF files made by hand, from docs/gguf.md alone, with a note of where each number of the file stands."""

import struct
from typing import Any, NamedTuple

NUMBER = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
STRING, ARRAY = 8, 9


class Made(NamedTuple):
    data: bytes
    marks: list[tuple[str, int, int]]  # what stands there, where, in how many bytes


class Writer:
    """Bytes that remember what their numbers mean; `order` is "<" or, for the files of other machines, ">"."""

    def __init__(self, order: str = "<"):
        self.data, self.marks, self.order = bytearray(), list[tuple[str, int, int]](), order

    def number(self, what: str, form: str, value: Any) -> None:
        packed = struct.pack(self.order + form, value)
        self.marks.append((what, len(self.data), len(packed)))
        self.data += packed

    def string(self, what: str, text: str | bytes) -> None:
        raw = text.encode() if isinstance(text, str) else text
        self.number(f"length of {what}", "Q", len(raw))
        self.data += raw

    def value(self, kind: int, value: Any) -> None:
        """A value; of an array, value is (type of its items, items)."""
        if kind == STRING:
            self.string("string", value)
        elif kind == ARRAY:
            inner, items = value
            self.number("type of items", "I", inner)
            self.number("number of items", "Q", len(items))
            for item in items:
                self.value(inner, item)
        else:
            self.number("value", NUMBER[kind], value)


def made(
    values: list[tuple[str, int, Any]],
    tensors: list[tuple[str, tuple[int, ...], int, bytes]],
    *,
    version: int = 3,
    alignment: int = 32,
    order: str = "<",
) -> Made:
    """A file of values (key, type, value) and tensors (name, sizes with the contiguous one first, format, data)."""
    writer = Writer(order)
    writer.data += b"GGUF"
    writer.number("version", "I", version)
    writer.number("number of tensors", "Q", len(tensors))
    writer.number("number of values", "Q", len(values))
    for key, kind, value in values:
        writer.string("key", key)
        writer.number("type", "I", kind)
        writer.value(kind, value)
    body = bytearray()
    for name, sizes, kind, data in tensors:
        writer.string("name", name)
        writer.number("number of dimensions", "I", len(sizes))
        for size in sizes:
            writer.number("dimension", "Q", size)
        writer.number("format", "I", kind)
        writer.number("offset", "Q", len(body))
        body += data + bytes(-len(data) % alignment)
    writer.data += bytes(-len(writer.data) % alignment)
    return Made(bytes(writer.data + body), writer.marks)
