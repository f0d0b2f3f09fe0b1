"""A trace comes back from its file as it was; a damaged file is one clear error."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinylm
from tests.tracing.conftest import everything, small
from tinylm import CheckpointError, tensor
from tinylm import functional as F
from tinylm.storage import read_tensors, write_tensors
from tinylm.tracing import Summary, Trace


def same(a: Trace, b: Trace) -> bool:
    if len(a) != len(b) or a.summarised != b.summarised:
        return False
    for one, two in zip(a, b, strict=True):
        for name in ("number", "kind", "title", "scope", "op", "sentence", "equation", "source", "caller", "seconds",
                     "node", "letters", "sources", "leaves", "settings"):  # fmt: skip
            assert getattr(one, name) == getattr(two, name), (one, name)
        for (p, n, x), (q, m, y) in zip(one.values(), two.values(), strict=True):
            assert (p, n) == (q, m)
            if isinstance(x, Summary):
                assert x.shape == y.shape
                assert np.array_equal(x.sample, y.sample, equal_nan=True)
                assert np.array_equal([x.low, x.high, x.nan, x.inf], [y.low, y.high, y.nan, y.inf], equal_nan=True)
            else:
                assert x.dtype == y.dtype
                assert x.shape == y.shape
                assert x.tobytes() == y.tobytes()
    return True


@pytest.mark.parametrize("values", [{}, {"values": "summary"}, {"memory": 3000}])
def test_a_trace_comes_back_as_it_was(values, tmp_path):
    trace = everything(small(), **values)
    trace.save(tmp_path / "run.trace")
    back = tinylm.trace.load(tmp_path / "run.trace")
    assert same(trace, back)
    assert back.table() == trace.table()
    assert tinylm.trace.diff(trace, back, rtol=0) is None


def test_receipts_are_the_same_after_a_round_trip(traced, tmp_path):
    traced.save(tmp_path / "run.trace")
    back = tinylm.trace.load(tmp_path / "run.trace")
    for step in (*traced.kind("merge"), *traced.kind("choice")):
        assert str(back.why(step.number)) == str(traced.why(step))
    assert back.why("wte.weight", (108, 3)) == traced.why("wte.weight", (108, 3))


def test_numbers_that_json_lacks_and_odd_shapes_survive(tmp_path):
    with np.errstate(all="ignore"), tinylm.trace(values="summary") as summary:
        F.log(tensor([-1.0, 0.0]))
    with np.errstate(all="ignore"), tinylm.trace() as whole:
        F.log(tensor(0.0))
        F.exp(tensor(np.zeros((0, 3), np.float32)))
        F.exp(tensor(np.zeros((2, 2), np.float16)))
        F.transpose(tensor(np.arange(6.0).reshape(2, 3)))
        F.multiply(tensor(np.zeros(5000)), float("inf"))
    for number, trace in enumerate((summary, whole)):
        trace.save(tmp_path / f"{number}.trace")
        assert same(trace, Trace.load(tmp_path / f"{number}.trace"))


def test_the_file_is_a_safetensors_file_with_a_stated_version(traced, tmp_path):
    traced.save(tmp_path / "run.trace")
    arrays, metadata = read_tensors(tmp_path / "run.trace")
    assert metadata["format"] == "tinylm.trace"
    assert metadata["version"] == "1"
    document = json.loads(arrays.pop("trace").tobytes())
    assert len(document["steps"]) == len(traced)
    assert set(arrays) == set(map(str, range(len(arrays))))


def test_other_files_are_refused_by_name(tmp_path):
    with pytest.raises(CheckpointError, match=r"none\.trace: no such file"):
        Trace.load(tmp_path / "none.trace")
    write_tensors(tmp_path / "weights", {"a": np.zeros(3)}, {"format": "pt"})
    with pytest.raises(CheckpointError, match="not a trace"):
        Trace.load(tmp_path / "weights")
    write_tensors(tmp_path / "later", {}, {"format": "tinylm.trace", "version": "2"})
    with pytest.raises(CheckpointError, match="of version '2'; this tinylm reads 1"):
        Trace.load(tmp_path / "later")


@settings(max_examples=150)
@given(data=st.data())
def test_a_damaged_document_is_one_clear_error(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("damaged")
    with tinylm.trace() as trace:
        F.exp(tensor(np.zeros(9000, np.float32)))
    trace.save(folder / "good")
    arrays, metadata = read_tensors(folder / "good")
    document = json.loads(arrays["trace"].tobytes())
    step = document["steps"][0]
    wrong = data.draw(
        st.sampled_from([None, -1, 99, "x", [], {}, {"number": "one"}, {"packed": [0, 9], "shape": [-1]}, 1.5])
    )
    key = data.draw(st.sampled_from([*step, "other", "settings", "sources"]))
    step[key] = {**step[key], "z": wrong} if isinstance(step.get(key), dict) and data.draw(st.booleans()) else wrong
    arrays["trace"] = np.frombuffer(json.dumps(document).encode(), np.uint8)
    write_tensors(folder / "bad", arrays, metadata)
    try:
        back = Trace.load(folder / "bad")
    except CheckpointError as problem:
        assert "bad" in str(problem)
    else:
        back.table()
        repr(back)


def test_a_failed_write_leaves_the_old_file(traced, tmp_path, monkeypatch):
    path = tmp_path / "run.trace"
    traced.save(path)
    before = path.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        traced.save(path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["run.trace"]


def test_names_that_mean_something_to_the_format_come_back(tmp_path):
    from tinylm import apply
    from tinylm.ops import keep, op

    @op
    def odd(xp, number, *, packed=1):
        """Twice.

        number: (...)   →   y: (...)
        """
        return number * 2, keep(shape=number)

    with tinylm.trace() as trace:
        apply(odd, tensor([1.0]), packed=float("nan"))
    step = trace[0]
    step.settings["$float"] = "nan"
    step.settings["one"] = {"$float": "inf", "number": 3}
    step.settings["lone"] = "\udc80"
    trace.save(tmp_path / "odd.trace")
    back = Trace.load(tmp_path / "odd.trace")[0]
    assert back.inputs["number"].tolist() == [1.0]
    assert np.isnan(back.settings.pop("packed"))
    step.settings.pop("packed")
    assert back.settings == step.settings


def test_loaded_arrays_cannot_be_written(traced, tmp_path):
    traced.save(tmp_path / "run.trace")
    for step in Trace.load(tmp_path / "run.trace"):
        for _, _, value in step.values():
            assert not value.flags.writeable


@pytest.mark.parametrize(
    "wrong",
    [
        {"float16": ["9"]},
        {"words": []},
        {"steps": [{"number": 0, "kind": "forward", "title": "x", "sources": {"x": 0}}]},
        {"steps": [{"number": 0, "kind": "update", "title": "x"}]},
        {"steps": [{"number": False, "kind": "forward", "title": "x"}]},
        {
            "steps": [
                {"number": 0, "kind": "forward", "title": "x", "inputs": {"x": {"packed": [0, 1], "shape": [10**12]}}}
            ]
        },
        {"steps": [{"number": 0, "kind": "forward", "inputs": {"x": {"packed": [0, 1], "shape": [-8]}}}]},
        {"steps": [{"number": 0, "kind": "forward", "inputs": {"x": {"packed": [0, 1], "shape": [16]}}}]},
        {"steps": [{"number": 0, "kind": "forward", "inputs": {"x": {"low": "x"}}}]},
    ],
)
def test_hostile_documents_are_refused(wrong, tmp_path):
    arrays = {"0": np.array([255], np.uint8), "1": np.ones(5)}
    document = {"words": [""], "summarised": 0, "float16": [], "steps": []}
    for step in wrong.get("steps", []):
        step |= {"title": "x", **dict.fromkeys(("sentence", "equation", "source", "caller"), 0)}
    document |= wrong
    if "words" in wrong:
        document["steps"] = [{"number": 0, "kind": "forward", "sentence": 0, "equation": 0, "source": 0, "caller": 0}]
    text = np.frombuffer(json.dumps(document).encode(), np.uint8)
    write_tensors(tmp_path / "hostile", {**arrays, "trace": text}, {"format": "tinylm.trace", "version": "1"})
    with pytest.raises(CheckpointError, match="a damaged trace"):
        Trace.load(tmp_path / "hostile")


def test_packed_arrays_cannot_fill_the_memory(tmp_path):
    arrays = {"0": np.zeros(100_000, np.uint8), "1": np.zeros(0)}
    one = {"packed": [0, 1], "shape": [800_000]}
    several = [{"packed": [0, 1], "shape": [n, 800_000 // n]} for n in (1, 2, 4, 5, 8, 10, 16, 20, 25, 32, 40, 50)]
    fields = dict.fromkeys(("sentence", "equation", "source", "caller"), 0)
    steps = [
        {
            "number": 0,
            "kind": "forward",
            "title": "",
            **fields,
            "inputs": {str(i): v for i, v in enumerate([one, *several])},
        }
    ]
    document = {"words": [""], "summarised": 0, "float16": [], "steps": steps}
    text = np.frombuffer(json.dumps(document).encode(), np.uint8)
    write_tensors(tmp_path / "bomb", {**arrays, "trace": text}, {"format": "tinylm.trace", "version": "1"})
    with pytest.raises(CheckpointError, match="more than 64 times the file"):
        Trace.load(tmp_path / "bomb")
