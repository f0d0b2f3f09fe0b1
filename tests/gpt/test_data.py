"""Token files and the batches cut from them."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinylm import data


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@given(st.integers(2, 60), st.integers(1, 5), st.data())
def test_targets_are_the_inputs_one_token_later_and_windows_lie_inside(n, rows, draw) -> None:
    block = draw.draw(st.integers(1, n - 1))
    tokens = rng(n).permutation(n).astype(np.uint16)  # all different: a window shows where it came from
    x, y = data.get_batch(tokens, rows, block, rng(draw.draw(st.integers(0, 99))))
    assert x.shape == y.shape == (rows, block)
    assert x.dtype == y.dtype == np.int64
    assert np.array_equal(x[:, 1:], y[:, :-1])
    for inputs, targets in zip(x, y, strict=True):
        start = int(np.flatnonzero(tokens == inputs[0])[0])
        assert np.array_equal(tokens[start : start + block], inputs)
        assert np.array_equal(tokens[start + 1 : start + block + 1], targets)


def test_every_window_can_be_drawn_first_and_last_included() -> None:
    x, _ = data.get_batch(np.arange(6), 400, 3, rng())
    assert set(x[:, 0].tolist()) == {0, 1, 2}  # a third each: missing one of them has a chance of (2/3)⁴⁰⁰


def test_the_stream_decides_the_batch() -> None:
    tokens = np.arange(100)
    one, two = rng(1), rng(1)
    first, second = (data.get_batch(tokens, 4, 5, one)[0].tolist() for _ in range(2))
    assert first != second
    assert [data.get_batch(tokens, 4, 5, two)[0].tolist() for _ in range(2)] == [first, second]


def test_batches_without_a_stream_differ_from_each_other() -> None:
    tokens = np.arange(10_000)
    assert data.get_batch(tokens, 8, 4)[0].tolist() != data.get_batch(tokens, 8, 4)[0].tolist()


def test_batches_come_without_end_and_only_when_asked_for() -> None:
    tokens, stream, twin = np.arange(50), rng(3), rng(3)
    endless = data.batches(tokens, 2, 4, stream)
    for _ in range(3):
        x, y = next(endless)
        expected = data.get_batch(tokens, 2, 4, twin)
        assert np.array_equal(x, expected[0])
        assert np.array_equal(y, expected[1])
        assert stream.bit_generator.state == twin.bit_generator.state


def test_inputs_and_targets_share_no_memory() -> None:
    for x, y in [data.get_batch(np.arange(10), 2, 4, rng()), *data.windows_in_order(np.arange(10), 2, 4)]:
        assert not np.shares_memory(x, y)
        y[:] = -1
        assert x.min() >= 0


@pytest.mark.parametrize("n", [0, 1, 4])
def test_too_few_tokens_are_refused(n) -> None:
    with pytest.raises(ValueError, match=f"{n} tokens are too few for a block of 4: need 5"):
        data.get_batch(np.arange(n), 1, 4, rng())


@given(st.integers(0, 80), st.integers(1, 4), st.integers(1, 12))
def test_windows_in_order_have_every_token_but_the_first_as_a_target_once(n, rows, block) -> None:
    tokens = rng(n).permutation(n).astype(np.uint16)
    targets = []
    for x, y in data.windows_in_order(tokens, rows, block):
        assert x.shape == y.shape
        assert 1 <= x.shape[0] <= rows
        assert 1 <= x.shape[1] <= block
        assert x.dtype == y.dtype == np.int64
        assert np.array_equal(x[:, 1:], y[:, :-1])
        for inputs, following in zip(x, y, strict=True):
            assert tokens[list(tokens).index(inputs[0]) + 1] == following[0]
            targets += following.tolist()
    assert targets == tokens[1:].tolist()


@given(st.integers(0, 50), st.floats(0, 1))
def test_a_split_cuts_once_and_loses_nothing(n, fraction) -> None:
    tokens = np.arange(n)
    training, validation = data.split(tokens, fraction)
    assert [*training, *validation] == tokens.tolist()
    assert len(validation) == int(n * fraction)


# -- files ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32, np.int64])
@pytest.mark.parametrize("n", [0, 1, 1000])
def test_ids_come_back_from_a_file_mapped_and_read_only(tmp_path: Path, dtype, n) -> None:
    ids = (np.arange(n) % 250).astype(dtype)
    data.write_tokens(tmp_path / "ids.npy", ids)
    back = data.read_tokens(str(tmp_path / "ids.npy"))
    assert isinstance(back, np.memmap)
    assert back.dtype == dtype
    assert np.array_equal(back, ids)
    assert not back.flags.writeable
    assert [file.name for file in tmp_path.iterdir()] == ["ids.npy"]


def test_batches_are_cut_from_a_mapped_file_as_from_an_array(tmp_path: Path) -> None:
    ids = rng().integers(0, 1000, 500).astype(np.uint16)
    data.write_tokens(tmp_path / "ids.npy", ids)
    mapped = data.read_tokens(tmp_path / "ids.npy")
    for here, there in zip(data.get_batch(ids, 3, 7, rng(1)), data.get_batch(mapped, 3, 7, rng(1)), strict=True):
        assert np.array_equal(here, there)
        assert type(there) is np.ndarray


def test_a_file_is_replaced_in_one_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data.write_tokens(tmp_path / "ids.npy", np.arange(5))
    monkeypatch.setattr("os.fsync", lambda descriptor: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        data.write_tokens(tmp_path / "ids.npy", np.arange(9))
    assert data.read_tokens(tmp_path / "ids.npy").tolist() == [0, 1, 2, 3, 4]
    assert [file.name for file in tmp_path.iterdir()] == ["ids.npy"]


def npy(array: np.ndarray, **settings) -> bytes:
    import io

    file = io.BytesIO()
    np.save(file, array, **settings)
    return file.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"to be or not to be\n",
        b"PK\x03\x04 not really a zip",
        b"\x93NUMPY\x01\x00",
        npy(np.arange(1000))[:500],
        npy(np.array([1, "a"], dtype=object), allow_pickle=True),
        npy(np.zeros((2, 3), int)),
        npy(np.zeros(3)),
        npy(np.array(3)),
    ],
    ids=["empty", "text", "zip", "header", "cut short", "objects", "matrix", "floats", "number"],
)
def test_what_is_no_file_of_ids_is_refused_by_name(tmp_path: Path, content) -> None:
    file = tmp_path / "bad.npy"
    file.write_bytes(content)
    with pytest.raises(ValueError, match=r"bad\.npy: (not a file of token ids|expected a one-dimensional array)"):
        data.read_tokens(file)


def test_a_missing_file_is_missing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        data.read_tokens(tmp_path / "none.npy")
