"""Where a sandbox process begins: started by its path, so that nothing of tinylm is imported unless it is asked for.

argv[1] is JSON: kind "bare" (NumPy, regex, the standard library, and a stand-in for `keep`) or "whole" (tinylm and
tokenizer as well), where the packages lie, and how it is reached: as a nursery, which forks a process for every
exercise, or, where that does not work, as the process of one exercise.
"""

import importlib
import importlib.abc
import json
import os
import pkgutil
import sys
import types
from typing import Any

HERE = os.path.dirname(os.path.abspath(__file__))
LIBRARY = ("tinylm", "tokenizer")
UNUSED = tuple(
    "tinylm.cli tinylm.explore tinylm.bench tinylm.show tinylm.runs tinylm.testing tinylm.__main__ tokenizer.__main__ "
    "tokenizer.show tinylm.course.exercises tinylm.course.klass tinylm.course.handout tinylm.course.plugin".split()
)


class _NotHere(importlib.abc.MetaPathFinder):
    """Says in a sentence why the library cannot be imported."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        if name.split(".")[0] in LIBRARY:
            raise ImportError(f"{name} is not there in this exercise: write it with NumPy and Python alone", name=name)


def keep(**values: Any) -> dict[str, Any]:
    """What backward will need, by name."""
    return values


def _stand_in(name: str, *path: str, **contents: Any) -> None:
    module = types.ModuleType(name)
    module.__path__ = list(path)
    vars(module).update(contents)
    sys.modules[name] = module
    outer, _, last = name.rpartition(".")
    if outer:
        setattr(sys.modules[outer], last, module)


def _bare() -> Any:
    """The sandbox's own modules, without the packages that they lie in; afterwards only `keep` is left to import."""
    for name in ("tinylm", "tinylm.course"):
        _stand_in(name)
    _stand_in("tinylm.course.sandbox", HERE)
    from tinylm.course.sandbox import cradle

    for name in [name for name in sys.modules if name.split(".")[0] in LIBRARY]:
        del sys.modules[name]
    _stand_in("tinylm")
    _stand_in("tinylm.ops")
    _stand_in("tinylm.ops.op", keep=keep)
    sys.meta_path.insert(0, _NotHere())
    return cradle


def _whole(root: str) -> Any:
    """All that an exercise may need of the library, imported now: its files cannot be read later."""
    sys.path.insert(0, root)
    for top in LIBRARY:
        package = importlib.import_module(top)
        for each in _modules(package):
            try:
                importlib.import_module(each)
            except ImportError:  # an extra that is not installed
                continue
    importlib.import_module("tinylm.backend.threads").blas_architectures()  # looks at /proc, and remembers
    cradle = importlib.import_module("tinylm.course.sandbox.cradle")
    sys.path.remove(root)
    return cradle


def _modules(package: Any) -> list[str]:
    found = []
    for each in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        if each.name.startswith(UNUSED):
            continue
        found.append(each.name)
        if each.ispkg:
            found += _modules(importlib.import_module(each.name))
    return found


def main() -> None:
    """Import what the exercises may use, and hand over to the cradle."""
    told = json.loads(sys.argv[1])
    sys.argv[1:] = []
    paths, root = told["paths"], told["root"]
    sys.path[:] = [each for each in dict.fromkeys([*sys.path, *paths]) if each != root or root in paths]
    for name in ("numpy", "regex", "typing", "collections.abc", "dataclasses", "fractions", "heapq", "functools"):
        importlib.import_module(name)
    cradle = _bare() if told["kind"] == "bare" else _whole(root)
    cradle.main(told)


if __name__ == "__main__":
    main()
