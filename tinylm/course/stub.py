"""Stubs: an exercise as a file to write in, cut from the live source; the answer, cut alike; and all as a list."""

import ast
import doctest
import inspect
import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tinylm.course.cut import Function, recut
from tinylm.course.cut import whole_source as whole
from tinylm.course.imported import Import, doc_names, home, import_lines, import_of, imports_in, needed
from tinylm.course.problem import Problem, first, plain
from tinylm.ops import ops
from tinylm.ops.op import Op

__all__ = ["definition", "imports_for", "listing", "marked", "rows", "solution", "stub", "stubs"]

WIDTH = 100  # of a note in a docstring
NUMBER = r"(?<![\w.])\d[\d_]*(?:\.\d+)?(?:e[-+]?\d+)?(?![\w.]*\w)"
NEEDS = (
    " needs says for each gradient whether it is wanted; what stands in the place of one that is not does not matter."
)
Settings = Mapping[str, Any]


def stub(problem: Problem, *, variant: Settings | None = None) -> str:
    """A whole file with one exercise: imports, signature, docstring, `raise NotImplementedError`.

    variant   settings of a student in place of the live defaults; see variants.py
    """
    return stubs([problem], variants={problem.name: variant} if variant else None)


def stubs(problems: Sequence[Problem], *, variants: Mapping[str, Settings] | None = None, command: str = "") -> str:
    """A whole file with these exercises, in their order.

    variants   name of a problem → settings of a student
    command    what to type to have the file judged; without it, `tinylm grade my_work.py`

    Raises ValueError where two of them are written under one name.
    """
    seen: dict[str, str] = {}
    for problem in problems:
        if problem.symbol in seen:
            raise ValueError(
                f"{seen[problem.symbol]} and {problem.name} are both written as {problem.symbol}; "
                "put them into two files"
            )
        seen[problem.symbol] = problem.name
    parts = [definition(problem, variant=(variants or {}).get(problem.name)) for problem in problems]
    text = "\n\n".join(parts)
    head = f'"""Write what is missing, then type: {command or "tinylm grade my_work.py"}"""'
    imports = imports_for(problems, text)
    return "\n".join([head, "", *imports, *([""] if imports else []), "", text])


def definition(problem: Problem, *, variant: Settings | None = None, mark: str = "") -> str:
    """The signature and the docstring of an exercise without a body, and without imports.

    mark   what stands in place of the body; without it, raise NotImplementedError
    """
    chosen = {**problem.chosen, **(variant or {})}
    problem = problem.variant(chosen)

    def body(function: Function, old: str, dotted: str) -> str:
        return mark or f'raise NotImplementedError("write {dotted}")'

    return recut(
        whole(problem.live), body, symbol=problem.symbol, doc=lambda text: _doc(problem, text), defaults=chosen
    )


def imports_for(problems: Iterable[Problem], text: str, *, examples: bool = True) -> list[str]:
    """The lines of imports for a source that was cut from the live sources of these problems.

    examples   also for the examples in docstrings, and what the problems name themselves
    """
    problems = list(problems)
    used = needed(text)
    found: list[Import] = []
    made = {problem.symbol for problem in problems}
    wanted = [*used, *(name for each in problems for name in doc_names(text, each.symbol) if examples)]
    modules = [home(each) for problem in problems for each in (problem.live, *problem.helpers)]
    for name in wanted:
        each = import_of(name, modules)
        if each is not None and name not in made:
            found.append(each)
    for problem in problems if examples else ():
        found += imports_in(problem.imports)
    bound: dict[str, Import] = {}
    for each in reversed(found):  # the lines of the problem count for more than those of its module
        bound.setdefault(each.binds, each)
    return import_lines(bound.values(), used)


def marked(problem: Problem, begin: str, end: str) -> str:
    """The answer as its stub has it, with every body between two lines, and in it the imports that it alone needs."""
    given = set(needed(definition(problem)))
    modules = [home(each) for each in (problem.live, *problem.helpers)]

    def body(function: Function, old: str, dotted: str) -> str:
        own = [each for each in needed(ast.unparse(function)) if each not in given]
        found = [each for each in (import_of(name, modules) for name in own) if each is not None]
        return "\n".join([begin, *filter(None, import_lines(found, own)), old, end])

    return recut(
        whole(problem.live), body, symbol=problem.symbol, doc=lambda text: _doc(problem, text), marks=(begin, end)
    )


def solution(problem: Problem) -> str:
    """A whole file with the answer: the live source, with what it calls from its module imported."""
    parts = [whole(each) for each in (*problem.helpers, problem.live)]
    name = plain(problem.live).__name__
    if problem.symbol != name:
        parts.append(f"{problem.symbol} = {name}\n")
    text = "\n\n".join(parts)
    imports = imports_for([problem], text, examples=False)
    return "\n".join([*imports, *([""] if imports else []), *([""] if imports else []), text])


def _doc(problem: Problem, text: str) -> str:
    """A docstring with the settings of the variant, and what has to be known besides."""
    text = _settled(problem, text) if problem.chosen else text
    notes = []
    if problem.chosen:
        notes.append("Your settings: " + ", ".join(f"{name} = {value!r}" for name, value in problem.chosen.items()))
    if problem.notes:
        notes.append(problem.notes)
    notes += _about_op(problem)
    if not notes:
        return text
    escaped = [note.replace("\\", "\\\\").replace('"""', "'''") for note in notes]
    filled = [each if "\n" in each else textwrap.fill(each, WIDTH) for each in escaped]
    return textwrap.indent("\n\n".join([textwrap.dedent(" " * 4 + text.rstrip()), *filled]), "    ").lstrip() + "\n    "


def _about_op(problem: Problem) -> list[str]:
    """How an op is called and what it returns: its docstring takes that for granted."""
    if isinstance(problem.live, Op):
        more = " Return y, or y and a dict of what backward needs: both are right." * (problem.view is first)
        return [f"xp is the array library; the tests pass NumPy. float32 in, float32 out.{more}"]
    for op in ops():
        if op.reference.backward is problem.live:
            gradients = [f"d{name}" for name in op.arrays]
            order = f"Return {', '.join(gradients)}, in this order" if len(gradients) > 1 else f"Return {gradients[0]}"
            kept = [name for name in op.reference.wanted if name != "needs"]
            needs = NEEDS if "needs" in op.reference.wanted else ""
            statement = re.sub(r"\n\s*>>>.*", "", op.__doc__ or "", flags=re.S).rstrip()
            known = f"dy has the shape of y. {order}, each with the shape of its array." * (not problem.notes)
            lines = [
                f"{known}{needs}".strip(),
                "A gradient has the dtype of dy." * ("dtype of dy" not in problem.notes),
            ]
            whose = (
                "comes by name, as the forward has it" if len(kept) == 1 else "come by name, as the forward has them"
            )
            lines += [f"{_listed(kept)} {whose}. The forward is:" if kept else "The forward is:"]
            return [
                "\n".join(textwrap.wrap(" ".join(filter(None, lines)), WIDTH)),
                textwrap.indent(_unindented(statement), "    "),
            ]
    return []


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def _unindented(doc: str) -> str:
    head, newline, rest = doc.partition("\n")
    return head + newline + textwrap.dedent(rest)


def _settled(problem: Problem, text: str) -> str:
    """The settings of a variant put into the prose of a docstring, and its examples run again with them."""
    parser, parts = doctest.DocTestParser(), []
    globs: dict[str, Any] = {**vars(home(problem.live)), problem.symbol: problem.reference}
    for part in parser.parse(text):
        if isinstance(part, str):
            parts.append(_numbers(problem, part))
            continue
        got = _output(part, globs)
        space = " " * part.indent
        lines = part.source.splitlines()
        parts.append(f"{space}>>> {lines[0]}\n" + "".join(f"{space}... {line}\n" for line in lines[1:]))
        parts.append(textwrap.indent(part.want if got is None else got, space))
    return "".join(parts)


def _numbers(problem: Problem, text: str) -> str:
    """Numbers that are a default, in prose; a small whole number only where the setting's name stands before it.

    A text stays: what a docstring says of "mean" is true of "mean" alone.
    """
    defaults = _defaults(problem)
    for name, value in problem.chosen.items():
        old = defaults.get(name)
        if isinstance(old, (int, float)) and not isinstance(old, bool):
            pattern = NUMBER
            if old == int(old) and abs(old) < 100:
                pattern = rf"(?<=\b{re.escape(name)} = ){NUMBER}|(?<=\b{re.escape(name)}=){NUMBER}"
            found = [each for each in re.finditer(pattern, text) if float(each[0].replace("_", "")) == old]
            for each in reversed(found):
                text = text[: each.start()] + repr(value) + text[each.end() :]
    return text


def _defaults(problem: Problem) -> dict[str, Any]:
    target = plain(problem.live)
    parameters = inspect.signature(target).parameters.values()
    return {each.name: each.default for each in parameters if each.default is not each.empty}


def _output(example: doctest.Example, globs: dict[str, Any]) -> str | None:
    """What an example prints now; None where it raises, as it then shows how."""
    said: list[str] = []

    class Runner(doctest.DocTestRunner):
        def report_success(self, out: Any, test: Any, example: Any, got: str) -> None:
            said.append(got)

        report_failure = report_success

        def report_unexpected_exception(self, out: Any, test: Any, example: Any, exc_info: Any) -> None: ...

    test = doctest.DocTest([example], globs, "example", None, None, None)
    Runner(verbose=False).run(test, out=lambda text: None, clear_globs=False)
    return said[0] if said and example.exc_msg is None else None


def rows(problems: Iterable[Problem]) -> list[dict[str, Any]]:
    """Every exercise as plain data: name, topic, level, minutes, needs, faults, symbol, variants, statement."""
    return [
        {
            "name": each.name,
            "topic": each.topic,
            "level": each.level,
            "minutes": each.minutes,
            "needs": list(each.needs),
            "faults": len(each.faults),
            "symbol": each.symbol,
            "variants": {name: list(values) for name, values in each.variants.items()},
            "statement": (plain(each.live).__doc__ or each.notes or "").strip().partition("\n")[0],
        }
        for each in problems
    ]


def listing(problems: Iterable[Problem], width: int = 100) -> str:
    """Every exercise as a table for a terminal; what does not fit is broken into further lines, none is cut."""
    table = rows(problems)
    heads = ("exercise", "topic", "level", "minutes", "faults", "needs")
    body = [(r["name"], r["topic"], "●" * r["level"], str(r["minutes"]), str(r["faults"]), r["needs"]) for r in table]
    sizes = [max(len(str(row[i])) for row in [heads, *body]) for i in range(5)]
    right = (3, 4)
    space = max(width - sum(sizes) - 2 * 5, 20)

    def line(cells: Sequence[str]) -> str:
        pairs = enumerate(zip(cells, sizes, strict=False))
        padded = [cell.rjust(size) if i in right else cell.ljust(size) for i, (cell, size) in pairs]
        return "  ".join([*padded, *cells[5:]]).rstrip()

    lines = [line(heads), line([*("─" * size for size in sizes), "─" * len("needs")])]
    for *cells, needs in body:
        wrapped = textwrap.wrap(", ".join(needs), space, break_long_words=False) or [""]
        lines.append(line([*cells, wrapped[0]]))
        lines += [line(["", "", "", "", "", more]) for more in wrapped[1:]]
    hours = sum(r["minutes"] for r in table) / 60
    faults = sum(r["faults"] for r in table)
    lines += ["", f"{len(table)} exercises, about {hours:.0f} hours; {faults} wrong versions are known by name"]
    lines.append("levels: ● a line or two … ●●●● an afternoon")
    return "\n".join(lines)
