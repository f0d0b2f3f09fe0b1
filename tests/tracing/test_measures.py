"""Measures of a trace are what the model computes, found another way."""

import numpy as np
import pytest

import tinylm
from tests.tracing.conftest import small
from tinylm import no_grad, optim, show
from tinylm.tracing import NotInTrace, activations, gradients, logit_lens, residual_stream, update_ratios

IDS = np.array([[1, 2, 3, 4]])


def trained():
    model = small()
    before = {name: p.numpy().astype(np.float64) for name, p in model.named_parameters()}
    optimizer = optim.AdamW(model.parameters(), lr=0.01)
    with tinylm.trace(model) as trace:
        model(IDS[:, :-1], IDS[:, 1:])[1].backward()
        optimizer.step()
    return model, before, trace


def test_activations_are_the_outputs_of_the_modules():
    _, _, trace = trained()
    found = activations(trace)
    with tinylm.use_kernels("reference"), no_grad():
        fresh = small()
        x = fresh.wte(IDS[:, :-1]) + fresh.wpe.weight[:3]
        assert np.array_equal(found["h.0.ln_1"], fresh.h[0].ln_1(x).numpy())
        assert np.array_equal(found["h.0"], fresh.h[0](x, np.arange(3)).numpy())
    assert list(activations(trace, "h.*.mlp.c_fc")) == ["h.0.mlp.c_fc", "h.1.mlp.c_fc"]
    assert list(found).index("h.0.ln_1") < list(found).index("h.0") < list(found).index("h.1.ln_1")


def test_gradients_are_those_of_the_outputs():
    _, _, trace = trained()
    found = gradients(trace, "ln_f")["ln_f"]
    model = small()
    with tinylm.use_kernels("reference"):
        x = tinylm.Tensor(model.hidden(IDS[:, :-1]).numpy().copy(), requires_grad=True)
        loss = tinylm.functional.softmax_cross_entropy(model.head(x), IDS[:, 1:])
        loss.backward()
    assert np.allclose(found, x.grad.numpy(), rtol=1e-5, atol=1e-9)
    assert set(gradients(trace)) <= set(activations(trace))


def test_update_ratios_are_relative_lengths_of_what_each_parameter_moved():
    model, before, trace = trained()
    found = update_ratios(trace)
    assert set(found) == set(before)
    for name, p in model.named_parameters():
        moved = np.sqrt(((p.numpy() - before[name]) ** 2).sum())
        size = np.sqrt((before[name] ** 2).sum())
        assert found[name] == (pytest.approx(moved / size) if size else float("inf"))


def test_the_lens_ends_with_what_the_model_says_and_begins_with_the_embeddings():
    model = small()
    with tinylm.trace(model) as trace:
        logits, _ = model(IDS)
    lens = logit_lens(model, trace)
    assert lens.shape == (3, 1, 4, 270)
    assert np.allclose(lens[-1], logits.numpy(), atol=1e-6)
    stream = residual_stream(trace)
    assert np.array_equal(stream[0], (model.wte(IDS) + model.wpe.weight[:4]).numpy())


def test_after_several_passes_the_last_one_counts():
    model = small()
    with tinylm.trace(model) as trace:
        model(IDS)
        model(IDS[:, :2])
    assert residual_stream(trace).shape == (3, 1, 2, 8)
    assert activations(trace)["ln_f"].shape == (1, 2, 8)


def test_what_was_not_traced_is_said():
    with tinylm.trace() as nothing:
        pass
    model = small()
    with tinylm.trace(model) as forward_alone:
        model(IDS)
    for ask in (activations, residual_stream):
        with pytest.raises(NotInTrace, match="no forward pass"):
            ask(nothing)
    with pytest.raises(NotInTrace, match=r"loss\.backward\(\) must run inside"):
        gradients(forward_alone)
    with pytest.raises(NotInTrace, match=r"step\(\) must run inside"):
        update_ratios(forward_alone)


def test_measures_can_be_drawn():
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    _, _, trace = trained()
    shown = show.statistics({name: show.measures(x) for name, x in activations(trace, "h.*").items()})
    assert "h.1.mlp" in shown._repr_svg_()
    assert "wte.weight" in show.update_ratios(update_ratios(trace))._repr_svg_()
