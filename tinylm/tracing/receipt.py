"""Receipts: a stored number as a sum of what made it, exact to the last bit; knows nothing of how it was traced."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from tinylm.show.receipt import receipt_html
from tokenizer.show.characters import display_width

__all__ = ["Line", "Receipt", "Sum", "exact_sum"]


@dataclass(frozen=True, slots=True)
class Line:
    """One part of a sum, as an exact fraction: floats are fractions too."""

    label: str
    value: Fraction
    note: str = ""


@dataclass(frozen=True, slots=True)
class Sum:
    """Lines that add up to `total`, a number as it is stored."""

    title: str
    lines: tuple[Line, ...]
    label: str
    total: Fraction

    @property
    def adds_up(self) -> bool:
        """Whether the lines give the total, exactly."""
        return sum((line.value for line in self.lines), Fraction(0)) == self.total

    def line(self, label: str) -> Line:
        """The line of that label; raises KeyError."""
        for line in self.lines:
            if line.label == label:
                return line
        raise KeyError(label)


@dataclass(frozen=True, slots=True, repr=False)
class Receipt:
    """Why a number is what it is: sums, each of which adds up exactly, and facts beside them.

    In a notebook it shows itself; print(receipt) is for a terminal.
    """

    title: str
    sums: tuple[Sum, ...]
    facts: tuple[tuple[str, str], ...] = ()

    @property
    def adds_up(self) -> bool:
        """Whether every sum gives its total, exactly."""
        return all(part.adds_up for part in self.sums)

    def sum(self, title: str) -> Sum:
        """The sum of that title; raises KeyError."""
        for part in self.sums:
            if part.title == title:
                return part
        raise KeyError(f"{title}; there are {', '.join(part.title for part in self.sums)}")

    def text(self) -> str:
        """The receipt for a terminal."""
        labels = [line.label for part in self.sums for line in part.lines] + [part.label for part in self.sums]
        wide = max(map(display_width, [*labels, *(name for name, _ in self.facts)]), default=0)
        lines = [self.title]
        for part in self.sums:
            lines += ["", f"  {part.title}"]
            lines += [f"    {_padded(x.label, wide)}  {_number(x.value)}  {x.note}".rstrip() for x in part.lines]
            lines += [f"    {'-' * (wide + 18)}", f"    {_padded(part.label, wide)}  {_number(part.total)}"]
        if self.facts:
            lines += ["", *(f"  {_padded(name, wide)}    {value}" for name, value in self.facts)]
        return "\n".join(lines)

    def html(self) -> str:
        """The same as one self-contained HTML element."""
        sums = [
            (part.title, [(x.label, _number(x.value), x.note) for x in part.lines], part.label, _number(part.total))
            for part in self.sums
        ]
        return receipt_html(self.title, sums, self.facts)

    def __repr__(self) -> str:
        return self.text()

    __str__ = __repr__

    def _repr_html_(self) -> str:
        return self.html()


def _padded(text: str, wide: int) -> str:
    return text + " " * (wide - display_width(text))


def _number(value: Fraction) -> str:
    if value.denominator == 1 and abs(value) < 10**15:
        return f"{int(value):>16,}"
    return f"{float(value):>16.9g}"


def exact_sum(title: str, lines: Sequence[tuple[str, float | Fraction, str]], label: str, total: float) -> Sum:
    """A sum whose last line is what rounding did: the exact difference between the lines and the stored total."""
    made = [Line(name, Fraction(value), note) for name, value, note in lines]
    rest = Fraction(total) - sum((line.value for line in made), Fraction(0))
    return Sum(title, (*made, Line("rounding", rest, "")), label, Fraction(total))
