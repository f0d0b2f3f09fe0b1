"""What a student's file imports of the library, read from its source; nothing of it is run. Runs without tinylm."""

import ast
from collections.abc import Iterable, Iterator

__all__ = ["KEEP", "LIBRARY", "allows", "dotted", "library_imports"]

KEEP = "tinylm.ops.op.keep"  # what every stub of an op may import; where tinylm is not there, a stand-in
LIBRARY = ("tinylm", "tokenizer")


def library_imports(source: bytes | str, file: str = "my_work.py") -> list[tuple[str, int]]:
    """Dotted name and line of all that is imported of tinylm and tokenizer; raises SyntaxError.

    >>> library_imports("from tinylm import Tensor, nn")
    [('tinylm.Tensor', 1), ('tinylm.nn', 1)]
    """
    found: list[tuple[str, int]] = []
    for node in ast.walk(ast.parse(source, file)):
        names = list(dotted(node)) if isinstance(node, (ast.Import, ast.ImportFrom)) else []
        if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if called in ("__import__", "import_module"):
                names = [str(node.args[0].value)]
        found += [(name, getattr(node, "lineno", 0)) for name in names if name.split(".")[0] in LIBRARY]
    return sorted(found, key=lambda each: each[1])


def dotted(node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    """What an import statement gets, as dotted names."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif not node.level:
        yield from (f"{node.module}.{alias.name}" for alias in node.names)


def allows(granted: Iterable[str], name: str) -> bool:
    """Whether a name is among those granted, or lies below one of them.

    >>> allows({"tinylm.functional"}, "tinylm.functional.softmax"), allows({"tinylm.nn.Linear"}, "tinylm.nn")
    (True, False)
    """
    return any(name == each or name.startswith(f"{each}.") for each in granted)
