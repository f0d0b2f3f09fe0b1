"""The shape line of every op's docstring, held against what the op really takes and gives.

    NAME: (SIZES) words   NAME: ...   →   NAME: (SIZES)        source      (three spaces, or a new line, between)

Names before the arrow are the op's array inputs in order. A capital letter is one size throughout, Nᵢ the
size for each of several arrays. `...` stands for any axes: leading ones broadcast to the result's; between
two of them stands the axis of the setting `axis`. `per SETTING` is a shape that the setting decides.
"""

import re

import numpy as np
import pytest

from tinylm.ops import op_named, ops

A, N, T, D = (2, 1, 3), 3, 3, 4
BOOL, INT = np.bool_, np.int64
# op: shapes of the inputs (with a dtype where it is not float64), settings, sizes of letters that the shapes allow
EXAMPLES = {
    **{name: ([A, (5, 1)], {}) for name in ("add", "subtract", "multiply", "divide", "power", "maximum", "minimum")},
    **{name: ([A, (5, 1)], {}) for name in ("greater", "greater_equal", "less", "less_equal", "equal", "not_equal")},
    **{name: ([A], {}) for name in ("negative", "exp", "log", "sqrt", "sin", "cos", "absolute")},
    **{name: ([A], {}) for name in ("relu", "gelu", "sigmoid", "silu", "tanh", "softmax", "log_softmax")},
    **{name: ([(2, 3, 4)], {"axis": 1}) for name in ("sum", "mean", "var", "max", "min", "argmax")},
    "where": ([((2, 1), BOOL), (3,), (1, 1)], {}),
    "astype": ([A], {"dtype": np.dtype("float32")}),
    "reshape": ([(2, 3)], {"shape": (3, 2)}),
    "transpose": ([(2, 3, 4)], {"axes": (2, 0, 1)}),
    "broadcast_to": ([(3, 1)], {"shape": (2, 3, 4)}),
    "concatenate": ([(2, 1, 4), (2, 5, 4)], {"axis": 1}),
    "split_heads": ([(2, 5, 17)], {"heads": 3, "size": 4, "start": 2}),
    "merge_heads": ([(2, 3, 5, 4)], {}),
    "stack": ([(2, 3), (2, 3), (2, 3), (2, 3)], {"axis": 1}),
    "getitem": ([(2, 3)], {"index": (slice(None), None, [0, 0, 1, 2])}),
    "embedding": ([(5, 4), ((2, 3), INT)], {}),
    "matmul": ([(2, 1, 3, 4), (5, 4, 6)], {}),
    "linear": ([(2, 3, 4), (4, 5), (5,)], {}),
    "layer_norm": ([(2, 3, 4), (4,), (4,)], {}),
    "rms_norm": ([(2, 3, 4), (4,)], {}),
    "attention": ([(2, 6, 3, 4), (2, 3, 5, 4), (2, 3, 5, 7), ((3, 5), BOOL), (2, 6, 3, 5)], {}),
    "causal_attention": ([(2, 6, 3, 4), (2, 3, 5, 4), (2, 3, 5, 7), (2, 6, 3, 5)], {}),
    "rotary": ([(2, 3, 4), ((3,), INT)], {}),
    "dropout": ([A, (A, BOOL)], {"p": 0.5}),
    "linear_cross_entropy": ([(2, 3, 4), (4, 5), ((2, 3), INT)], {}),
    "softmax_cross_entropy": ([(2, 3, 4), ((2, 3), INT)], {}),
}
ENTRY = re.compile(r"(\w+): (?:\(([^()]*)\)|per (\w+))((?:,| of| for) [\w ,=]+)?")
SIZE = re.compile(r"\.\.\.|[A-Z]ᵢ?")
DECIDED = {
    "shape": lambda x, settings: settings["shape"],
    "axes": lambda x, settings: tuple(x[a] for a in settings["axes"]),
    "index": lambda x, settings: np.empty(x)[settings["index"]].shape,
}


def parsed(docstring):
    """The paragraph with the arrow, as entries (name, sizes, setting): inputs and output. Raises on another form."""
    paragraphs = [p for p in re.split(r"\n\s*\n", docstring) if "→" in p]
    assert len(paragraphs) == 1, "one paragraph of a docstring has the arrow"
    line = "\t".join(line.strip().replace("   ", "\t") for line in paragraphs[0].splitlines())
    before, arrow, after = line.partition("\t→\t")
    assert arrow, "three spaces stand on both sides of the arrow"
    inputs, output = before.strip().split("\t"), after.split("\t")[0]
    entries = []
    for part in (*inputs, output):
        match = ENTRY.fullmatch(part.strip())
        assert match, f"{part.strip()!r} is not of the form NAME: (SIZES) words"
        sizes = None if match[2] is None else [size for size in match[2].rstrip(",").split(", ") if size]
        assert all(SIZE.fullmatch(size) for size in sizes or ()), f"sizes are capital letters or ...: {part!r}"
        entries.append((match[1], sizes, match[3]))
    return entries[:-1], entries[-1]


def bind(letters, name, size, where):
    assert letters.setdefault(name, size) == size, f"{where}: {name} is {size} here and {letters[name]} elsewhere"


def fit(sizes, shape, axis, letters, i=0):
    """Bind the letters of one entry to a real shape; gives the axes that `...` stands for, None without one."""
    if sizes.count("...") == 2:
        assert sizes[0] == sizes[2] == "..."
        bind(letters, sizes[1].replace("ᵢ", f" of {i}"), shape[axis], sizes)
        return shape[:axis] + shape[axis + 1 :]
    assert sizes.count("...") == 0 or sizes[0] == "...", f"{sizes}: ... leads"
    named = [size for size in sizes if size != "..."]
    split = len(shape) - len(named)
    assert split >= 0, f"{sizes} has more axes than {shape}"
    assert split == 0 or len(named) < len(sizes), f"{sizes} has fewer axes than {shape}"
    for name, size in zip(named, shape[split:], strict=True):
        bind(letters, name, size, sizes)
    return shape[:split] if len(named) < len(sizes) else None


def hold(docstring, op, shapes, result, settings):
    """Check that a docstring tells the truth about one run of an op."""
    inputs, (_, sizes, setting) = parsed(docstring)
    names = [name for name, _, _ in inputs]
    assert names == list(op.arrays), f"{names} before the arrow, the op takes {op.arrays}"
    if op.variadic:
        inputs = inputs * len(shapes)
    letters, fronts = {}, []
    axis = settings.get("axis")
    for i, ((_, entry, _), shape) in enumerate(zip(inputs, shapes, strict=True)):
        fronts.append(fit(entry, shape, axis, letters, i))
    if setting is not None:
        assert result == DECIDED[setting](shapes[0], settings)
        return
    rest = fit(sizes, result, axis, letters)
    wanted = np.broadcast_shapes(*(front for front in fronts if front is not None))
    assert rest is None or rest == wanted, f"... is {rest} in the result, {wanted} in the inputs"


def run(name):
    """One run of an op's reference: shapes of inputs and output, and the settings."""
    shaped, settings = EXAMPLES[name]
    pairs = [one if len(one) == 2 and isinstance(one[1], type) else (one, np.float64) for one in shaped]
    result, _ = op_named(name)(np, *(np.ones(shape, dtype) for shape, dtype in pairs), **settings)
    return [shape for shape, _ in pairs], np.shape(result), {**op_named(name).settings, **settings}


def test_every_op_has_an_example():
    assert set(EXAMPLES) == {
        op.name for op in ops() if op.module.startswith("tinylm.")
    }  # users and tests define others


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_shape_line_of_every_op_is_true(name):
    op = op_named(name)
    hold(op.__doc__, op, *run(name))


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_docstring_is_a_sentence_then_the_rest(name):
    first = op_named(name).__doc__.splitlines()[0]
    assert re.fullmatch(r"[A-Z].*[.:]", first)


FALSE = [
    ("matmul", "a: (..., M, K)   b: (..., K, N)   →   y: (..., N, M)"),
    ("matmul", "a: (..., K, M)   b: (..., K, N)   →   y: (..., M, N)"),
    ("matmul", "b: (..., M, K)   a: (..., K, N)   →   y: (..., M, N)"),
    ("matmul", "a: (..., M, K)   →   y: (..., M, N)"),
    ("linear", "x: (..., I)   weight: (O, I)   bias: (O,)   →   y: (..., O)"),
    ("linear", "x: (B, I)   weight: (I, O)   bias: (O,)   →   y: (B, O)"),
    ("softmax_cross_entropy", "logits: (..., V)   targets: (...)   →   loss: (...)"),
    ("sum", "x: (..., N, ...)   →   y: (..., N, ...)"),
    ("add", "a: (...)   b: (...)   →   y: (..., N)"),
    ("reshape", "x: (...)   →   y: (...)"),
    ("transpose", "x: (...)   →   y: per shape"),
    ("concatenate", "xs: (..., N, ...)   →   y: (..., N, ...)"),
    ("embedding", "table: (V, C)   ids: (...) → y: (..., C)"),
    ("embedding", "table: (V, C)   ids: (...)   →   y: [..., C]"),
    ("embedding", "table: (V, C) ids: (...)   →   y: (..., C)"),
    ("embedding", "table: (v, C)   ids: (...)   →   y: (..., C)"),
    ("embedding", "table: (V, C)   ids: (...)"),
]


@pytest.mark.parametrize(("name", "line"), FALSE)
def test_a_shape_line_that_is_not_true_is_found(name, line):
    with pytest.raises((AssertionError, KeyError, ValueError)):
        hold(f"Sentence.\n\n    {line}\n", op_named(name), *run(name))
