"""What a student hands in is read without running it: names, notebooks, and files that are no Python."""

import ast
import json

import pytest

from tinylm.course.handed_in import MAX_BYTES, MAX_NOTEBOOK, UnreadableError, handed_in

WANTED = ("gelu", "softmax", "layer_norm", "Block")


def notebook(*cells, version=4):
    made = [{"cell_type": "code", "metadata": {}, "outputs": [], "source": cell} for cell in cells]
    made.insert(0, {"cell_type": "markdown", "metadata": {}, "source": "def markdown(): pass"})
    if version == 3:
        made = [{"cell_type": "code", "input": cell} for cell in cells]
        return json.dumps({"nbformat": 3, "worksheets": [{"cells": made}]}).encode()
    return json.dumps({"nbformat": 4, "metadata": {}, "cells": made}).encode()


def namespace(work):
    found = {}
    exec(work.source.decode(), found)
    return found


def test_functions_classes_and_aliases_are_answers_and_numbers_are_none():
    source = b"""
import numpy as np
from elsewhere import softmax
gelu = lambda x: x
embedding = np.zeros(3)
linear = 3
if True:
    def layer_norm(x): return x
class Block: pass
def outer():
    def inner(): pass
log_softmax = gelu
"""
    assert handed_in(source, WANTED).names == ("gelu", "layer_norm", "Block", "outer", "log_softmax")


def test_nothing_of_a_file_runs_while_it_is_read(tmp_path):
    trap = tmp_path / "trap"
    handed_in(f"open({str(trap)!r}, 'w')\ndef gelu(x): pass".encode(), WANTED)
    handed_in(notebook(f"open({str(trap)!r}, 'w')\ndef gelu(x): pass"), WANTED, notebook=True)
    assert not trap.exists()


@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf", b"# -*- coding: latin-1 -*-\n# caf\xe9\n"])
@pytest.mark.parametrize("ends", [b"\n", b"\r\n"])
def test_byte_order_marks_encodings_that_are_named_and_windows_line_ends_are_read(start, ends):
    work = handed_in(start.replace(b"\n", ends) + ends.join([b"def gelu(x):", b"    return x", b""]), WANTED)
    assert work.names == ("gelu",)
    assert work.broken == {}


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (b"x = (\ndef gelu(x): return x\n", "no Python: "),
        (b"# caf\xe9\ndef gelu(x): return x\n", "save the file as UTF-8"),
        (b"p = 'C:\\Users'\ndef gelu(x): return x\n", "unicodeescape"),
        (b"# coding: nonsense\ndef gelu(x): return x\n", "save the file as UTF-8"),
        (b"def gelu(x): return '\0'\n", "save the file as"),
        (b"def gelu(x):\n\treturn x\n        y\n", "no Python: "),
        (b"def gelu(x): return " + b"-" * 100_000 + b"1", "nested too deep"),
        (b"def gelu(x): return " + b"(" * 500 + b"1" + b")" * 500, "no Python"),
    ],
)
def test_what_is_no_python_is_told_of_in_one_sentence(source, says):
    work = handed_in(source, WANTED)
    assert work.names[-1] == "gelu"
    assert says in work.broken["gelu"]
    assert "\n" not in work.broken["gelu"]
    assert "Traceback" not in work.broken["gelu"]


def test_the_utf_16_of_a_powershell_is_refused_with_what_to_do():
    with pytest.raises(UnreadableError, match="save the file as that"):
        handed_in("def gelu(x): return x\n".encode("utf-16"), WANTED)


def test_the_line_of_a_syntax_error_is_named():
    assert handed_in(b"def gelu(x):\n    return x +\n", WANTED).broken["gelu"].endswith("in line 2: return x +")


@pytest.mark.parametrize(("most", "is_notebook"), [(MAX_BYTES, False), (MAX_NOTEBOOK, True)])
def test_a_file_that_nobody_typed_is_refused(most, is_notebook):
    with pytest.raises(UnreadableError, match="MB at most"):
        handed_in(b"#" * (most + 1), WANTED, notebook=is_notebook)


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"[]", b"\xff", b'{"cells": 3}', b'{"cells": [{"x": 1}]}', b"[" * 100_000]
)
def test_what_is_no_notebook_is_refused(data):
    with pytest.raises(UnreadableError, match="no notebook"):
        handed_in(data, WANTED, notebook=True)


@pytest.mark.parametrize("version", [3, 4])
def test_of_a_notebook_only_what_the_answers_need_is_kept(version):
    work = handed_in(
        notebook(
            "import numpy as np\nimport matplotlib.pyplot as plt",
            "EPS = 1e-5\nlosses = train(1000)",
            ["def helper(x):\n", "    return x + EPS"],
            "def softmax(x):\n    return helper(np.exp(x))",
            "print(softmax(np.zeros(3)))\nplt.plot(losses)",
            version=version,
        ),
        WANTED,
        notebook=True,
    )
    assert work.names == ("helper", "softmax")
    tree = ast.parse(work.source)
    assert [type(node).__name__ for node in tree.body] == ["Import", "Assign", "FunctionDef", "FunctionDef"]
    assert namespace(work)["softmax"](0.0) == 1 + 1e-5


def test_the_last_definition_counts_and_what_changes_a_needed_name_stays():
    work = handed_in(
        notebook(
            "TABLE = {}\nTABLE['a'] = 1\nother = {}\nother['b'] = 2",
            "def gelu(x):\n    return 0",
            "def gelu(x):\n    return TABLE['a'] + x",
            "gelu.note = 'mine'; unused = 3",
        ),
        WANTED,
        notebook=True,
    )
    found = namespace(work)
    assert found["gelu"](1) == 2
    assert found["gelu"].note == "mine"
    assert "other" not in found


def test_decorators_and_future_imports_survive():
    work = handed_in(
        notebook(
            "import functools", "from __future__ import annotations", "@functools.cache\ndef gelu(x: Unknown): return x"
        ),
        WANTED,
        notebook=True,
    )
    assert work.source.startswith(b"from __future__")
    assert namespace(work)["gelu"](3) == 3
    assert "cache_info" in dir(namespace(work)["gelu"])


def test_lines_that_only_ipython_understands_are_no_obstacle():
    work = handed_in(
        notebook(
            "%matplotlib inline\n!pip install x\nimport numpy as np",
            "%%time\ndef gelu(x):\n    return np.abs(x)",
            "%%html\n<b>def softmax(x): pass</b>",
            "gelu?\nfor i in range(3):\n    %time gelu(i)",
            'words = ("%d"\n% 3)',
        ),
        WANTED,
        notebook=True,
    )
    assert work.names == ("gelu",)
    assert namespace(work)["gelu"](-2) == 2


def test_a_cell_that_is_no_python_breaks_what_it_defines_and_nothing_else():
    work = handed_in(notebook("def gelu(x: return x", "def softmax(x): return x"), WANTED, notebook=True)
    assert "its cell is no Python" in work.broken["gelu"]
    assert "softmax" not in work.broken
    assert namespace(work)["softmax"](1) == 1


@pytest.mark.parametrize(
    ("source", "written"),
    [
        ("def gelu(x):\n    return x", True),
        ("def gelu(x):\n    raise NotImplementedError('write gelu')", False),
        ("def gelu(x):\n    raise NotImplementedError\n\ndef gelu(x):\n    return x", True),
        ("class gelu:\n    def forward(self, x):\n        raise NotImplementedError", False),
        ("gelu = abs", True),
        ("def gelu(x: return", False),
        ("def softmax(x): return x", False),
    ],
)
def test_a_stub_is_told_from_an_answer(source, written):
    assert handed_in(source.encode(), WANTED).written("gelu") is written


@pytest.mark.parametrize("odd", ["\x0c", "\x0b", "\x1c", "\x85", "\u2028", "\u2029"])
def test_only_what_ends_a_line_of_python_ends_one(odd):
    cell = f"x = 1\n{odd if odd == chr(12) else ''}\n# a{odd}b\nimport numpy as np\ndef gelu(x):\n    y = np.abs(x)\n"
    work = handed_in(notebook(f"{cell}    return y\nz = 3\n"), WANTED, notebook=True)
    assert namespace(work)["gelu"](-2) == 2


def test_a_call_that_may_change_what_an_answer_needs_is_kept_and_a_check_is_not():
    work = handed_in(
        notebook(
            "import numpy as np\nTABLE = []\nTABLE.append(7.0)\nOTHER = []\nOTHER.append(1)",
            "def gelu(x):\n    return np.float64(TABLE[0])\nnp.testing.assert_allclose(gelu(1), 8)",
        ),
        WANTED,
        notebook=True,
    )
    assert namespace(work)["gelu"](1) == 7.0
    assert b"OTHER" not in work.source
    assert b"assert_allclose" not in work.source


def test_what_ipython_understands_is_found_anywhere_and_python_is_left_alone():
    work = handed_in(
        notebook(
            "!pip list\ndef gelu(x):\n    return (x\n        % 5)\nfiles = !ls\nt = %timeit -o 1\n%time gelu(1)\ngelu??"
        ),
        WANTED,
        notebook=True,
    )
    assert work.broken == {}
    assert namespace(work)["gelu"](8) == 3
