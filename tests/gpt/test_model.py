"""The GPT as a whole: names, beginnings, gradients, causality, kernels and devices."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.gpt.variants import SMALL, VARIANTS, batch, model
from tinylm import GPT, GPTConfig, no_grad, optim, tensor, use_device, use_kernels

every_variant = pytest.mark.parametrize("variant", VARIANTS)

BLOCK = [
    "ln_1.weight", "ln_1.bias", "attn.c_attn.weight", "attn.c_attn.bias", "attn.c_proj.weight", "attn.c_proj.bias",
    "ln_2.weight", "ln_2.bias", "mlp.c_fc.weight", "mlp.c_fc.bias", "mlp.c_proj.weight", "mlp.c_proj.bias",
]  # fmt: skip


def test_parameter_names_are_gpt_2s_and_tied_weights_appear_once() -> None:
    expected = ["wte.weight", "wpe.weight"]
    expected += [f"h.{layer}.{name}" for layer in range(2) for name in BLOCK]
    assert [name for name, _ in model("gpt2").named_parameters()] == [*expected, "ln_f.weight", "ln_f.bias"]


def test_shapes_are_gpt_2s_and_their_number_is_counted() -> None:
    small = GPT(GPTConfig(vocab_size=257, block_size=1024, n_layer=1, n_head=12, n_embd=768))
    shapes = {name: p.shape for name, p in small.named_parameters()}
    assert shapes["wte.weight"] == (257, 768)
    assert shapes["h.0.attn.c_attn.weight"] == (768, 2304)
    assert shapes["h.0.mlp.c_fc.weight"] == (768, 3072)
    # GPT-2 small: 124,439,808 parameters; here are 11 blocks of 7,087,872 and 50,000 rows of 768 fewer
    assert small.parameter_count() == 124_439_808 - 11 * 7_087_872 - 50_000 * 768


def test_other_settings_add_and_remove_parameters_by_name() -> None:
    names = {name for name, _ in model("llama").named_parameters()}
    assert {"lm_head.weight", "h.0.mlp.c_gate.weight"} <= names
    assert not any(name.endswith("bias") or name.startswith("wpe") for name in names)
    assert model("llama").h[0].attn.c_attn.weight.shape == (8, 8 + 2 * 2 * 2)


def test_weights_begin_as_gpt_2s_do() -> None:
    made = GPT(GPTConfig(vocab_size=500, block_size=64, n_layer=8, n_head=2, n_embd=64), seed=1)
    for name, p in made.named_parameters():
        values = p.numpy()
        if name.endswith("bias"):
            assert not values.any()
        elif "ln_" in name:
            assert (values == 1).all()
        else:
            std = 0.02 / np.sqrt(2 * 8) if name.endswith("c_proj.weight") else 0.02
            # a deviation of n draws is itself uncertain by 1/√(2n), a mean by σ/√n: five of each
            assert abs(values.std() / std - 1) < 5 / np.sqrt(2 * values.size), name
            assert abs(values.mean()) < 5 * std / np.sqrt(values.size), name


@every_variant
def test_one_seed_gives_one_model_in_both_precisions(variant) -> None:
    wide, narrow = model(variant, seed=5).state_dict(), model(variant, seed=5, dtype=None).state_dict()
    assert list(wide) == list(narrow)
    assert all(np.array_equal(wide[name].astype(np.float32), narrow[name]) for name in wide)
    assert model(variant, seed=6).state_dict()["wte.weight"].tolist() != wide["wte.weight"].tolist()


@every_variant
def test_float32_computes_what_float64_does_to_rounding(variant) -> None:
    ids, targets = batch()
    wide, narrow = model(variant, spread=0.3), model(variant, spread=0.3, dtype=np.float32)
    logits, loss = wide(ids, targets)
    logits32, loss32 = narrow(ids, targets)
    assert (logits32.dtype, loss32.dtype, narrow.dtype) == (np.float32,) * 3
    # two blocks of some 20 roundings of 2⁻²⁴ each, in sums that lose about one digit: 1e-5 of the largest logit
    np.testing.assert_allclose(logits32.numpy(), logits.numpy(), rtol=0, atol=1e-5 * np.abs(logits.numpy()).max())
    assert loss32.item() == pytest.approx(loss.item(), rel=1e-5)


def test_the_first_loss_is_that_of_guessing() -> None:
    ids, targets = batch(rows=8)
    # logits of a fresh model are about 0.02 · √8 · N(0, 1), so the loss is ln V give or take a few hundredths
    assert model("gpt2")(ids, targets)[1].item() == pytest.approx(np.log(SMALL["vocab_size"]), abs=0.05)


# -- what it computes ----------------------------------------------------------------------------------


@every_variant
def test_the_readable_kernels_give_the_same(variant) -> None:
    made, (ids, targets) = model(variant, spread=0.3), batch()
    results = []
    for which in ("fast", "reference"):
        made.zero_grad()
        with use_kernels(which):
            logits, loss = made(ids, targets)
            loss.backward()
        results.append([logits.numpy(), *(p.grad.numpy() for p in made.parameters())])
    for fast, reference in zip(*results, strict=True):
        # float64 in another order: a few hundred roundings
        np.testing.assert_allclose(fast, reference, rtol=1e-10, atol=1e-13)


@every_variant
@given(data=st.data())
@settings(max_examples=8)
def test_the_model_sees_no_future(variant, data) -> None:
    made, (ids, _) = model(variant, spread=0.3), batch(rows=2)
    cut = data.draw(st.integers(1, ids.shape[1] - 1))
    other = ids.copy()
    other[:, cut:] = data.draw(st.integers(0, SMALL["vocab_size"] - 1))
    with no_grad():
        logits, changed = made(ids)[0].numpy(), made(other)[0].numpy()
    assert np.array_equal(logits[:, :cut], changed[:, :cut])
    if (other != ids).any():
        assert not np.array_equal(logits, changed)


@every_variant
def test_rows_of_a_batch_do_not_disturb_each_other(variant) -> None:
    made, (ids, _) = model(variant, spread=0.3), batch(rows=4)
    order = [2, 0, 3, 1]
    with no_grad():
        logits, permuted = made(ids)[0].numpy(), made(ids[order])[0].numpy()
    assert np.array_equal(permuted, logits[order])


def test_positions_matter() -> None:
    for variant in ("gpt2", "rope"):
        logits = model(variant, spread=0.3)(np.array([[1, 2, 3, 3]]))[0].numpy()
        swapped = model(variant, spread=0.3)(np.array([[2, 1, 3, 3]]))[0].numpy()
        assert np.abs(logits[0, -1] - swapped[0, -1]).max() > 1e-3


# -- bad input -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ids", "error", "says"),
    [
        ([[0] * 9], ValueError, "a context of 9 tokens does not fit: block_size is 8"),
        ([[0, 11]], ValueError, "ids must be from 0 to 10, got 11"),
        ([[-1]], ValueError, "ids must be from 0 to 10, got -1"),
        ([[0.5]], TypeError, "ids must be whole numbers, got float64"),
        ([1, 2], ValueError, r"ids must have shape \(B, T\) with T from 1 up, got \(2,\)"),
        (np.zeros((1, 0), int), ValueError, r"T from 1 up, got \(1, 0\)"),
    ],
)
@pytest.mark.parametrize("device", ["numpy", "strict"])
def test_bad_ids_are_refused_on_every_device(ids, error, says, device) -> None:
    with pytest.raises(error, match=says):
        model("gpt2").to(device)(ids)


def test_bad_targets_are_refused() -> None:
    made, (ids, targets) = model("gpt2"), batch()
    with pytest.raises(ValueError, match=r"targets must have shape \(3, 6\)"):
        made(ids, targets[:, 1:])
    with pytest.raises(ValueError, match="targets must be from 0 to 10, got 11"):
        made(ids, np.full_like(targets, 11))


def test_ids_come_as_lists_arrays_of_any_whole_type_and_tensors() -> None:
    made = model("gpt2")
    expected = made([[1, 2, 3]])[0].tolist()
    for ids in (np.array([[1, 2, 3]], np.uint16), tensor([[1, 2, 3]]), ((1, 2, 3),)):
        assert made(ids)[0].tolist() == expected


# -- dropout and devices -------------------------------------------------------------------------------


def test_dropout_works_in_training_only_and_by_the_seed() -> None:
    ids, _ = batch()

    def run(seed: int, training: bool) -> list:
        made = model("gpt2", seed=seed, dropout=0.3).train(training)
        return [made(ids)[0].tolist() for _ in range(2)]

    first, second = run(1, True)
    assert first != second
    assert run(1, True) == [first, second]
    calm, again = run(1, False)
    assert calm == again
    assert calm == model("gpt2", seed=1)(ids)[0].tolist()  # the weights do not depend on dropout


@every_variant
def test_a_training_step_on_the_strict_device_is_that_on_numpy(variant) -> None:
    ids, targets = batch()
    results = {}
    for device in ("numpy", "strict"):
        with use_device(device), use_kernels("reference"):  # strict has no kernels of its own
            made = model(variant, dropout=0.2, dtype=np.float32)
            optimizer = optim.AdamW(optim.decay_groups(made, 0.1), lr=0.01)
            for _ in range(2):
                logits, loss = made(ids, targets)
                made.zero_grad()
                loss.backward()
                optim.clip_grad_norm(made.parameters(), 0.5)
                optimizer.step()
        assert {p.device for p in made.parameters()} == {logits.device, loss.device} == {device}
        results[device] = made.state_dict()
    for name, expected in results["numpy"].items():
        np.testing.assert_array_equal(results["strict"][name], expected, err_msg=name)
