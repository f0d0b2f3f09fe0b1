"""The cache of keys and values: the same logits, computed once for each position."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.gpt.generation import bound
from tests.gpt.variants import SMALL, VARIANTS, batch, model
from tinylm import GPT, Cache, GPTConfig, GraphError, no_grad, use_device, use_kernels

every_variant = pytest.mark.parametrize("variant", VARIANTS)


def in_chunks(made, ids: np.ndarray, cuts: list[int]) -> np.ndarray:
    """Logits of ids fed piece by piece."""
    cache = Cache(made.config, batch=len(ids))
    parts = []
    with no_grad():
        for start, end in zip([0, *cuts], [*cuts, ids.shape[1]], strict=True):
            parts.append(made(ids[:, start:end], cache=cache)[0].numpy())
            assert cache.length == end
    return np.concatenate(parts, axis=1)


@every_variant
@given(data=st.data())
@settings(max_examples=15)
def test_cached_logits_are_the_uncached_ones_however_the_text_is_cut(variant, data) -> None:
    made = model(variant, spread=0.3)
    length = data.draw(st.integers(1, SMALL["block_size"]))
    ids, _ = batch(seed=data.draw(st.integers(0, 99)), rows=data.draw(st.integers(1, 3)), length=length)
    cuts = sorted(data.draw(st.sets(st.integers(1, length - 1)))) if length > 1 else []
    with no_grad():
        whole = made(ids)[0].numpy()
    np.testing.assert_allclose(in_chunks(made, ids, cuts), whole, rtol=0, atol=bound(whole))


@every_variant
def test_one_token_at_a_time_in_float32(variant) -> None:
    made = model(variant, spread=0.3, dtype=None)
    ids, _ = batch(length=SMALL["block_size"])
    with no_grad():
        whole = made(ids)[0].numpy()
    found = in_chunks(made, ids, list(range(1, ids.shape[1])))
    np.testing.assert_allclose(found, whole, rtol=0, atol=bound(whole))


def test_a_cache_of_another_dtype_and_device_follows_the_model() -> None:
    with use_device("strict"), use_kernels("reference"):
        made = model("llama", spread=0.3)
        ids, _ = batch()
        with no_grad():
            whole = made(ids)[0].numpy()
        np.testing.assert_allclose(in_chunks(made, ids, [1, 4]), whole, rtol=0, atol=bound(whole))


def test_the_cache_counts_towards_the_context() -> None:
    made = model("rope")
    cache = Cache(made.config)
    with no_grad():
        made([[1] * 6], cache=cache)
        with pytest.raises(ValueError, match="a context of 9 tokens does not fit: block_size is 8"):
            made([[1] * 3], cache=cache)
        assert cache.length == 6
        made([[1] * 2], cache=cache)
        with pytest.raises(ValueError, match="a context of 9 tokens"):
            made([[1]], cache=cache)


def test_a_failed_call_leaves_the_cache_usable() -> None:
    made, ids = model("gpt2", spread=0.3), np.array([[1, 2, 3, 4]])
    cache = Cache(made.config)
    with no_grad():
        whole = made(ids)[0].numpy()
        made(ids[:, :2], cache=cache)
        with pytest.raises(ValueError, match="ids must be from 0 to 10"):
            made([[99]], cache=cache)
        rest = made(ids[:, 2:], cache=cache)[0].numpy()
    np.testing.assert_allclose(rest, whole[:, 2:], rtol=0, atol=bound(whole))


def test_a_call_that_failed_on_unequal_rows_leaves_no_mask_behind() -> None:
    made, ids = model("gpt2", spread=0.3), np.array([[1, 2, 3, 4]])
    cache = Cache(made.config, batch=2)
    with no_grad():
        made.hidden([[1, 2], [5, 0]], cache, [2, 1])
        with pytest.raises(ValueError, match="ids must be from 0 to 10"):
            made([[99], [99]], cache=cache)
        cache.keep([0])
        rest = made(ids[:, 2:], cache=cache)[0].numpy()
        np.testing.assert_allclose(rest, made(ids)[0].numpy()[:, 2:], rtol=0, atol=bound(rest))


def test_a_cache_refuses_to_lose_gradients() -> None:
    made = model("gpt2")
    with pytest.raises(GraphError, match="run the model inside `with no_grad"):
        made([[1, 2]], cache=Cache(made.config))


@pytest.mark.parametrize(("made_for", "rows"), [(1, 2), (2, 1), (3, 2)])
def test_a_cache_is_for_one_batch_size(made_for, rows) -> None:
    made = model("gpt2")
    with no_grad(), pytest.raises(ValueError, match=f"the cache is for a batch of {made_for}, got {rows} rows"):
        made([[1, 2]] * rows, cache=Cache(made.config, batch=made_for))


def test_a_cache_holds_the_key_heads_only() -> None:
    made = model("one key head and rope")
    cache = Cache(made.config, batch=2)
    with no_grad():
        made([[1, 2]] * 2, cache=cache)
    keys, values = cache._layers[0]
    assert keys.shape == values.shape == (2, 1, SMALL["block_size"], 2)


def test_loss_and_cache_go_together() -> None:
    made, (ids, targets) = model("gpt2", spread=0.3), batch(rows=1)
    with no_grad():
        alone = made(ids, targets)[1].item()
        cached = made(ids, targets, cache=Cache(made.config))[1].item()
    assert cached == pytest.approx(alone, rel=1e-13)


def test_a_cache_takes_memory_as_it_fills_and_its_logits_stay_the_same() -> None:
    config = GPTConfig(17, 1 << 40, 1, 1, 4, position="rope")  # 2^40 positions at once would be 32 TB
    made = GPT(config, seed=1, dtype=np.float64)
    ids = np.random.default_rng(0).integers(0, 17, (2, 700))
    cache = Cache(config, batch=2)
    with no_grad():
        whole = made(ids)[0].numpy()
        parts = [made(ids[:, a:b], cache=cache)[0].numpy() for a, b in ((0, 3), (3, 255), (255, 257), (257, 700))]
    np.testing.assert_allclose(np.concatenate(parts, axis=1), whole, rtol=0, atol=bound(whole))


@given(data=st.data())
@settings(max_examples=20)
def test_selected_rows_go_on_as_if_they_had_been_fed_alone(data) -> None:
    made = model("llama", spread=0.3)
    ids, _ = batch(rows=3, length=6)
    lengths = data.draw(st.lists(st.integers(1, 3), min_size=3, max_size=3))
    ids[:, 0] = np.arange(3)
    cache = Cache(made.config, batch=3)
    rows = data.draw(st.lists(st.integers(0, 2), min_size=1, max_size=5))
    with no_grad():
        made.hidden(ids[:, : max(lengths)], cache, lengths)
        cache.select(rows)
        assert cache.lengths == [lengths[row] for row in rows]
        found = made(ids[rows][:, 5:], cache=cache)[0].numpy()
        for place, row in enumerate(rows):
            alone = made(np.concatenate([ids[row, : lengths[row]], ids[row, 5:]])[None])[0].numpy()[0, -1]
            np.testing.assert_allclose(found[place, 0], alone, rtol=0, atol=bound(alone))


@pytest.mark.parametrize("rows", [[3], [-1], [0, 1, 2, 3]])
def test_a_row_that_there_is_not_cannot_be_selected(rows) -> None:
    with pytest.raises(ValueError, match="rows must be from 0 to 2"):
        Cache(model("rope").config, batch=3).select(rows)
