"""What the source may name: CuPy's functions only, CuPy in one file only, NumPy in the NumPy kernels only."""

import ast
from pathlib import Path

import pytest

import tinylm
import tokenizer
from tinylm.backend.strict import cupy_names

ROOT = Path(tinylm.__file__).parent
OPS = sorted((ROOT / "ops").glob("*.py"))
GENERIC = [path for path in OPS if not path.stem.endswith(("_numpy", "_cupy"))]
SOURCES = sorted([*ROOT.rglob("*.py"), *Path(tokenizer.__file__).parent.rglob("*.py")])


def imported(tree):
    """The top-level names of all that a module imports, however it does it by name."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in ("import_module", "__import__"):
                names.add(str(node.args[0].value).partition(".")[0])
    return names


def used_of_xp(tree):
    """Every NAME in xp.NAME."""
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    return {node.attr for node in nodes if isinstance(node.value, ast.Name) and node.value.id == "xp"}


def parse(path):
    return ast.parse(path.read_text("utf-8"))


@pytest.mark.parametrize("path", GENERIC, ids=lambda path: path.stem)
def test_ops_use_only_names_that_cupy_has(path):
    assert used_of_xp(parse(path)) - cupy_names()["cupy"] == set()


def test_the_walk_over_ops_finds_what_it_looks_for():
    assert {"exp", "matmul", "where", "concatenate"} <= set().union(*(used_of_xp(parse(path)) for path in GENERIC))
    assert used_of_xp(ast.parse("y = xp.erf(x) + f(xp.linalg.norm(x))")) - cupy_names()["cupy"] == {"erf"}


@pytest.mark.parametrize("path", OPS, ids=lambda path: path.stem)
def test_only_the_kernels_for_numpy_import_numpy(path):
    assert "numpy" not in imported(parse(path)) or path.stem.endswith("_numpy")


def test_one_file_imports_cupy():
    importers = [path for path in SOURCES if imported(parse(path)) & {"cupy", "cupyx"}]
    assert importers == [ROOT / "backend" / "device.py"]


@pytest.mark.parametrize(
    "line", ["import cupy", "import cupyx.scipy as s", "from cupy import fuse", "__import__('cupy')"]
)
def test_every_way_to_import_cupy_is_seen(line):
    assert imported(ast.parse(f"def f():\n    {line}")) & {"cupy", "cupyx"}


def test_cupy_is_not_imported_with_the_library():
    """At the top of a module it would cost seconds, and fail where it is not installed."""
    tree = parse(ROOT / "backend" / "device.py")
    top = [node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]
    assert not any("cupy" in ast.unparse(node) for node in top)
