"""Equal code in several submissions: what two people should look at together, and no more than that."""

import ast
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256

from tinylm.course.handed_in import NOT_PARSED

__all__ = ["Alike", "groups", "shape_of"]

LEAST = 40  # nodes of syntax: shorter code is equal by chance
COMMON = 0.2  # of the class: code that so many have is the usual way to write it


@dataclass(frozen=True, slots=True)
class Alike:
    """Students whose code for these exercises differs in names, comments and layout at most."""

    students: tuple[str, ...]
    exercises: tuple[str, ...]


def shape_of(source: bytes, symbol: str, *, least: int = LEAST) -> str:
    """A digest of a function or class as it is without names of its own, comments, docstrings, types and layout.

    "" where it has less than `least` nodes, too short to say anything, or cannot be read.
    """
    try:
        tree = ast.parse(source)
        found = [
            node
            for node in tree.body
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) and node.name == symbol
        ]
        if not found or sum(1 for _ in ast.walk(found[-1])) < least:
            return ""
        return sha256(ast.dump(_Nameless(found[-1]).visit(found[-1])).encode()).hexdigest()[:16]
    except NOT_PARSED:
        return ""


class _Nameless(ast.NodeTransformer):
    """Names that the code itself gives become numbers, in the order in which they come; names of others stay."""

    def __init__(self, whole: ast.AST) -> None:
        self.own: dict[str, str] = {}
        bound = {each.arg for each in ast.walk(whole) if isinstance(each, ast.arg)}
        bound |= {each.id for each in ast.walk(whole) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)}
        defs = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
        self.bound = bound | {each.name for each in ast.walk(whole) if isinstance(each, defs)}

    def number(self, name: str) -> str:
        return self.own.setdefault(name, f"_{len(self.own)}") if name in self.bound else name

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return ast.Name(self.number(node.id), node.ctx)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        return ast.arg(self.number(node.arg))

    def visit_keyword(self, node: ast.keyword) -> ast.AST:
        self.generic_visit(node)
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        if node.value is None:
            return None
        return self.visit(ast.Assign([node.target], node.value))  # type: ignore[no-any-return]

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self._definition(node)

    visit_AsyncFunctionDef = visit_FunctionDef  # type: ignore[assignment]  # noqa: N815

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        return self._definition(node)

    def _definition(self, node: ast.FunctionDef | ast.ClassDef) -> ast.AST:
        node.name = self.number(node.name)
        if ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:]
        self.generic_visit(node)
        return node


def groups(shapes: Mapping[str, Mapping[str, str]], *, order: Iterable[str]) -> list[Alike]:
    """The groups, those with the most exercises first; `shapes` is student → exercise → shape.

    Two students are alike in the exercises whose shapes are equal; who is alike in the same way is one group. A shape
    that more than a fifth of the class has (and more than three) counts for nothing. O(students² · exercises).
    """
    order, most = list(order), max(3.0, COMMON * len(shapes))
    having: dict[tuple[str, str], int] = {}
    for each in shapes.values():
        for exercise in order:
            if shape := each.get(exercise, ""):
                having[exercise, shape] = having.get((exercise, shape), 0) + 1
    telling = {
        student: {(e, each[e]) for e in order if each.get(e) and 2 <= having[e, each[e]] <= most}
        for student, each in shapes.items()
    }
    found: dict[tuple[tuple[str, str], ...], set[str]] = {}
    students = sorted(student for student in telling if telling[student])
    for i, one in enumerate(students):
        for other in students[i + 1 :]:
            if common := telling[one] & telling[other]:
                found.setdefault(tuple(sorted(common)), set()).update((one, other))
    alike = []
    for shared, who in found.items():
        alike.append(Alike(tuple(sorted(who)), tuple(sorted((e for e, _ in shared), key=order.index))))
    return sorted(alike, key=lambda each: (-len(each.exercises), each.students, each.exercises))
