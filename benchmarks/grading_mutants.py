"""Small random changes of an exercise's answer, made in its syntax tree: is each noticed? Knows nothing of judging."""

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from tinylm.course.problem import Problem

SWAPS = {
    ast.Add: (ast.Sub,), ast.Sub: (ast.Add,), ast.Mult: (ast.Div, ast.Add), ast.Div: (ast.Mult,),
    ast.FloorDiv: (ast.Mult,), ast.Mod: (ast.FloorDiv,), ast.Pow: (ast.Mult,), ast.MatMult: (ast.Mult,),
    ast.Lt: (ast.LtE, ast.Gt), ast.LtE: (ast.Lt, ast.GtE), ast.Gt: (ast.GtE, ast.Lt), ast.GtE: (ast.Gt, ast.LtE),
    ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,), ast.Is: (ast.IsNot,), ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,), ast.NotIn: (ast.In,), ast.And: (ast.Or,), ast.Or: (ast.And,),
    ast.BitAnd: (ast.BitOr,), ast.BitOr: (ast.BitAnd,), ast.LShift: (ast.RShift,), ast.RShift: (ast.LShift,),
}  # fmt: skip
NAMES = {"min": "max", "max": "min", "sin": "cos", "cos": "sin", "any": "all", "all": "any", "ones_like": "zeros_like",
         "zeros_like": "ones_like", "sum": "mean", "mean": "sum", "minimum": "maximum", "maximum": "minimum",
         "exp": "log", "log": "exp", "append": "extend", "argmax": "argmin"}  # fmt: skip
# Left as they are, since nothing that is asked for depends on them: settings that the exercises tell students to leave
# alone (more workers start processes; models run in evaluation, where nothing is dropped); and zip's check that the
# caller gave lists of one length.
ASIDE = ("workers", "executor", "progress", "task_size", "rivals", "strict", "dropout", "rng", "rngs", "lengths")
EITHER_WAY = ("max", "min", "maximum", "minimum", "suppress", "swapaxes")  # whose two arguments may change places
CONVERSIONS = ("int", "float", "list", "tuple", "asarray")  # of what is as good as it comes, to Python and to NumPy


@dataclass(frozen=True)
class Mutant:
    """One change: in which source (the answer's own is 0, then its helpers), function and line, and both texts."""

    problem: str
    source: int
    within: str
    line: int
    old: str
    new: str
    text: str  # of the whole changed source

    def __str__(self) -> str:
        return f"{self.problem}, line {self.line} of {self.within}: {self.old}  →  {self.new}"


def mutants(problem: Problem) -> list[Mutant]:
    """Every change that there is to one place of the answer or its helpers, in the order of the source."""
    return [
        Mutant(problem.name, number, *change)
        for number, source in enumerate(problem.sources())
        for change in _changes(source)
    ]


def some(problem: Problem, count: int, seed: int = 0) -> list[Mutant]:
    """`count` of them, drawn without repetition; all of them where there are fewer."""
    found = mutants(problem)
    return Random(f"{seed} {problem.name}").sample(found, min(count, len(found)))


def _changes(source: str) -> Iterator[tuple[str, int, str, str, str]]:
    """Function, line, both texts and the whole changed source, for every change."""
    tree = ast.parse(source)
    for path, node in list(_places(tree, ())):
        for new in _alternatives(node):
            changed = copy.deepcopy(tree)
            _put(changed, path, new)
            text = ast.unparse(ast.fix_missing_locations(changed))
            if text != ast.unparse(tree):
                shown = _shown(tree, path)
                before = ast.unparse(_at(tree, shown))
                after = ast.unparse(_at(changed, shown)) if new is not None else "(left out)"
                yield _within(tree, path), node.lineno, before, after, text


Path = tuple[tuple[str, int | None], ...]


def _places(node: ast.AST, path: Path) -> Iterator[tuple[Path, ast.AST]]:
    """Statements and expressions, but for docstrings, annotations, the texts of errors, and what an op keeps.

    What an op's forward keeps for backward is no part of the exercise: only its value is judged.
    """
    if isinstance(node, ast.Raise) or (isinstance(node, ast.Call) and ast.unparse(node.func) == "keep"):
        return
    if isinstance(node, (ast.stmt, ast.expr)):
        yield path, node
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "ctx"):
            continue
        for place, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if place is not None and _is_for_an_error(value[place : place + 2]):
                continue
            if isinstance(child, ast.AST) and not _is_text(child) and not _is_aside(node, name, place):
                yield from _places(child, (*path, (name, place)))


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _is_for_an_error(pair: list[ast.AST]) -> bool:
    """Whether the first is made for the text of the error that comes next."""
    return len(pair) == 2 and isinstance(pair[0], ast.Assign) and isinstance(pair[1], ast.Raise)


def _is_aside(node: ast.AST, name: str, place: int | None) -> bool:
    """Whether what stands there is the value of a name in ASIDE: a default, or given to a call, or a check of it."""
    child = getattr(node, name) if place is None else getattr(node, name)[place]
    if isinstance(child, ast.Expr):
        return any(isinstance(each, ast.Name) and each.id in ASIDE for each in ast.walk(child))
    if isinstance(node, ast.keyword):
        return node.arg in ASIDE
    if isinstance(node, ast.arguments) and name in ("defaults", "kw_defaults") and place is not None:
        named = node.kwonlyargs if name == "kw_defaults" else (*node.posonlyargs, *node.args)[-len(node.defaults) :]
        return named[place].arg in ASIDE
    return False


def _shown(tree: ast.AST, path: Path) -> Path:
    """The place to be shown for a change at `path`: a bare number or name says little, what it stands in says more."""
    bare = (ast.Constant, ast.Name, ast.UnaryOp, ast.Tuple, ast.Slice, ast.keyword)
    while len(path) > 1 and isinstance(_at(tree, path), bare) and not isinstance(_at(tree, path[:-1]), ast.stmt):
        path = path[:-1]
    return path


def _within(tree: ast.AST, path: Path) -> str:
    """The dotted name of the function in which a place is."""
    over = (_at(tree, path[:n]) for n in range(1, len(path)))
    return ".".join(each.name for each in over if isinstance(each, (ast.FunctionDef, ast.ClassDef)))


def _at(tree: ast.AST, path: Path) -> ast.AST:
    for name, place in path:
        tree = getattr(tree, name) if place is None else getattr(tree, name)[place]
    return tree


def _put(tree: ast.AST, path: Path, new: ast.AST | None) -> None:
    tree = _at(tree, path[:-1])
    name, place = path[-1]
    if new is None:
        getattr(tree, name)[place] = ast.Pass()
    elif place is None:
        setattr(tree, name, new)
    else:
        getattr(tree, name)[place] = new


def _alternatives(node: ast.AST) -> Iterator[ast.AST | None]:
    """What may stand in this place instead; None: nothing."""
    if isinstance(node, (ast.Assign, ast.AugAssign, ast.Expr)):
        yield None
    if isinstance(node, (ast.BinOp, ast.AugAssign)):
        yield from (_with(node, op=swap()) for swap in SWAPS.get(type(node.op), ()))
    if isinstance(node, ast.AugAssign):
        yield ast.Assign(targets=[node.target], value=node.value)  # `=` for `+=`
    if isinstance(node, ast.BinOp):
        yield node.left
        if not isinstance(node.op, (ast.Add, ast.Mult)):
            yield _with(node, left=node.right, right=node.left)
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        yield from (_with(node, ops=[swap()]) for swap in SWAPS.get(type(node.ops[0]), ()))
    if isinstance(node, ast.BoolOp):
        yield from (_with(node, op=swap()) for swap in SWAPS[type(node.op)])
    if isinstance(node, ast.UnaryOp) and not isinstance(node.operand, ast.Constant):
        yield node.operand
    if isinstance(node, ast.Constant) and type(node.value) in (int, float, bool):
        values = [not node.value] if isinstance(node.value, bool) else [node.value + 1, node.value - 1]
        yield from (ast.Constant(value) for value in values)
    if isinstance(node, (ast.If, ast.IfExp, ast.While)):
        yield _with(node, test=ast.UnaryOp(ast.Not(), node.test))
    if isinstance(node, ast.IfExp):
        if not ast.unparse(node.test).startswith("needs["):  # a gradient that nobody needs may be given all the same
            yield node.body
        yield node.orelse
    if isinstance(node, ast.Break):
        yield ast.Continue()
    if isinstance(node, ast.Continue):
        yield ast.Break()
    if isinstance(node, ast.Attribute) and node.attr in NAMES:
        yield _with(node, attr=NAMES[node.attr])
    if isinstance(node, ast.Name) and node.id in NAMES:
        yield _with(node, id=NAMES[node.id])
    if isinstance(node, ast.Call):
        called = ast.unparse(node.func).rpartition(".")[2]
        for place, keyword in enumerate(node.keywords):
            if keyword.arg in ASIDE:
                continue
            yield _with(node, keywords=node.keywords[:place] + node.keywords[place + 1 :])
        if len(node.args) == 2 and called not in EITHER_WAY:
            yield _with(node, args=node.args[::-1])
        if len(node.args) == 1 and not node.keywords and called not in CONVERSIONS:
            yield node.args[0]
    if isinstance(node, ast.Return) and isinstance(node.value, ast.Tuple) and len(node.value.elts) > 1:
        yield _with(node, value=ast.Tuple(node.value.elts[::-1], ast.Load()))


def _with(node: ast.AST, **changes: object) -> ast.AST:
    new = copy.copy(node)
    for name, value in changes.items():
        setattr(new, name, value)
    return new
