"""Two traces are compared step by step: the first difference is named, and equal ones have none."""

import numpy as np
import pytest

import tinylm
from tests.tracing.conftest import everything, small
from tinylm import GPT, apply, spelled, tensor
from tinylm import functional as F
from tinylm.ops import keep, op

IDS = np.array([[1, 2, 3, 4, 5]])


def of(model: GPT, ids=IDS, **settings):
    with tinylm.trace(model, **settings) as trace:
        model(ids)
    return trace


def test_equal_computations_have_no_difference():
    assert tinylm.trace.diff(everything(small()), everything(small()), rtol=0) is None


def test_the_first_differing_step_is_named_with_place_and_values():
    model, other = small(), small()
    with tinylm.no_grad():
        other.h[1].ln_2.weight[3] = 1.5
    found = tinylm.trace.diff(of(model), of(other))
    assert found.first.scope == found.second.scope == "h.1.ln_2"
    assert (found.part, found.name) == ("outputs", "y")
    assert found.index[-1] == 3
    a, b = of(model)["h.1.ln_2"].outputs["y"], of(other)["h.1.ln_2"].outputs["y"]
    worst = np.unravel_index(np.abs(a - b).argmax(), a.shape)
    assert found.index == tuple(int(i) for i in worst)
    assert found.values == (float(a[worst]), float(b[worst]))
    assert "h.1.ln_2: layer_norm" in str(found)


def test_rounding_passes_and_rtol_0_sees_every_bit():
    model = small()
    readable, fast = of(model), of(model, kernels="fast")
    assert tinylm.trace.diff(readable, fast) is None
    other = small()
    with tinylm.no_grad():
        other.ln_f.weight[0] = np.nextafter(np.float32(1), np.float32(2))
    assert tinylm.trace.diff(of(model), of(other)) is None
    assert tinylm.trace.diff(of(model), of(other), rtol=0).first.scope == "ln_f"


def test_cached_and_uncached_generation_are_the_same():
    model = small()

    def traced(use_cache: bool):
        with tinylm.trace(model) as trace:
            list(tinylm.sample.generate(model, [1, 2, 3], 4, seed=1, use_cache=use_cache))
        return trace

    uncached, cached = traced(False), traced(True)
    assert len(cached.passes) == len(uncached.passes)
    assert cached.passes[-1]["wte"].outputs["y"].shape[1] == 1
    assert tinylm.trace.diff(uncached, cached, rtol=1e-4, cached=True) is None


@pytest.mark.parametrize("position", ["learned", "rope"])
def test_a_cache_filled_wrongly_is_found_in_the_attention(position, monkeypatch):
    model = small(position=position)
    extend = tinylm.Cache.extend

    def wrong(self, layer, k, v):
        keys, values = extend(self, layer, k, v)
        return (keys if layer != 1 or k.shape[2] > 1 else tensor(keys.numpy() + 0.01)), values

    def traced(use_cache: bool):
        with tinylm.trace(model) as trace:
            list(tinylm.sample.generate(model, [1, 2, 3], 3, temperature=0, use_cache=use_cache))
        return trace

    uncached = traced(False)
    monkeypatch.setattr(tinylm.Cache, "extend", wrong)
    found = tinylm.trace.diff(uncached, traced(True), rtol=1e-4, cached=True)
    assert found.first.scope == "h.1.attn"
    assert found.first.op == "causal_attention"


def test_another_shape_is_a_difference_unless_it_is_time():
    with tinylm.trace() as a:
        F.exp(tensor(np.zeros((2, 3, 4))))
    with tinylm.trace() as b:
        F.exp(tensor(np.zeros((1, 3, 4))))
    assert "of shape (2, 3, 4) in a, (1, 3, 4) in b" in str(tinylm.trace.diff(a, b))
    model = small()
    x = tensor(np.random.default_rng(0).standard_normal((1, 3, 8)).astype(np.float32))
    with tinylm.trace() as a:
        F.linear(x, model.h[0].mlp.c_fc.weight)
    with tinylm.trace() as b:
        F.linear(x, model.h[0].mlp.c_fc.weight[:, 16:])  # the last features alone: equal values, another layer
    assert "of shape" in str(tinylm.trace.diff(a, b))


def test_a_student_s_own_ops_in_place_of_a_fused_one_are_passed_over_when_right():
    q, k, v = (tensor(np.random.default_rng(n).standard_normal((1, 2, 4, 3))) for n in range(3))
    with tinylm.trace() as fused:
        F.tanh(F.causal_attention(q, k, v))
    with tinylm.trace() as own:
        F.tanh(spelled.causal_attention(q, k, v))
    assert tinylm.trace.diff(fused, own) is None
    with tinylm.trace() as wrong:
        F.tanh(spelled.causal_attention(q, k, v * 1.1))
    found = tinylm.trace.diff(fused, wrong)
    assert found.first.op == "tanh"
    assert "took other ways" in str(found)


def test_steps_that_only_one_trace_has_at_the_end_are_a_difference():
    with tinylm.trace() as a:
        F.exp(tensor([1.0]))
    with tinylm.trace() as b:
        F.log(F.exp(tensor([1.0])))
    found = tinylm.trace.diff(a, b)
    assert found.first is None
    assert found.second.op == "log"
    with tinylm.trace() as empty:
        pass
    assert tinylm.trace.diff(empty, empty) is None
    assert tinylm.trace.diff(empty, a).second.op == "exp"


def test_nan_agrees_with_nan_and_with_nothing_else():
    def of_log(x):
        with np.errstate(all="ignore"), tinylm.trace() as trace:
            F.log(tensor(x))
        return trace

    assert tinylm.trace.diff(of_log([-1.0, 1.0]), of_log([-1.0, 1.0])) is None
    assert tinylm.trace.diff(of_log([-1.0, 1.0]), of_log([1.0, 1.0])).index == (0,)
    assert tinylm.trace.diff(of_log([1.0, 0.0]), of_log([1.0, 1.0])).values[0] == -np.inf


def test_a_wrong_backward_is_found_in_backward():
    @op
    def doubled(xp, x):
        return x * 2, keep(x=x)

    @doubled.backward
    def doubled_backward(xp, dy, *, x):
        return 2 * dy

    def traced():
        x = tensor([1.0, 2.0], requires_grad=True)
        with tinylm.trace() as trace:
            apply(doubled, x).sum().backward()
        return trace

    right = traced()

    @doubled.backward
    def halved_backward(xp, dy, *, x):
        return dy

    found = tinylm.trace.diff(right, traced())
    assert (found.first.kind, found.first.op, found.name) == ("backward", "doubled", "dx")


def test_another_choice_is_found():
    model = small()

    def traced(seed):
        with tinylm.trace(model) as trace:
            list(tinylm.sample.generate(model, [1], 1, seed=seed))
        return trace

    found = tinylm.trace.diff(traced(1), traced(2))
    assert found.first.kind == "choice"
    assert found.name in ("uniform", "token")


def test_summaries_are_compared_by_what_they_say():
    model, other = small(), small()
    with tinylm.no_grad():
        other.ln_f.weight[0] = 3.0
    assert tinylm.trace.diff(of(model, values="summary"), of(model)) is None
    assert tinylm.trace.diff(of(model, values="summary"), of(other, values="summary")).first.scope == "ln_f"


def test_a_negative_tolerance_is_refused(traced):
    with pytest.raises(ValueError, match="rtol and atol are numbers from 0 up"):
        tinylm.trace.diff(traced, traced, rtol=-1)


def trained(model, parameters=None, *, clip=1.0, lr=0.1):
    from tinylm import optim

    optimizer = optim.SGD(parameters or model.parameters(), lr=lr)
    with tinylm.trace(model) as trace:
        model(IDS[:, :-1], IDS[:, 1:])[1].backward()
        optim.clip_grad_norm(model.parameters(), clip)
        optimizer.step()
    return trace


def test_an_optimizer_that_forgets_a_parameter_is_found():
    model, other = small(), small()
    some = [p for name, p in other.named_parameters() if name != "wte.weight"]
    found = tinylm.trace.diff(trained(model), trained(other, some))
    assert found.first.leaves["p"] == "wte.weight"
    assert found.second is None


def test_another_clipping_or_learning_rate_is_named_where_it_is():
    assert tinylm.trace.diff(trained(small()), trained(small(), clip=0.01)).first.kind == "clip"
    assert tinylm.trace.diff(trained(small()), trained(small(), lr=0.2)).first.kind == "update"


def test_a_branch_without_a_gradient_is_found():
    def traced(cut):
        x = tensor([1.0, 2.0], requires_grad=True)
        with tinylm.trace() as trace:
            y = F.exp(x)
            (F.tanh(y.detach() if cut else y) + y).sum().backward()
        return trace

    assert tinylm.trace.diff(traced(False), traced(False)) is None
    found = tinylm.trace.diff(traced(False), traced(True))
    assert (found.first.kind, found.first.op, found.second) == ("backward", "tanh", None)


def test_a_missing_gradient_is_found():
    def traced(wanted):
        a, b = tensor([1.0, 2.0], requires_grad=True), tensor([3.0, 4.0], requires_grad=wanted)
        with tinylm.trace() as trace:
            (a * b).sum().backward()
        return trace

    assert "outputs: da, db in a, da in b" in str(tinylm.trace.diff(traced(True), traced(False)))


def test_ops_that_nobody_uses_are_a_difference_though_later_ops_agree():
    model = small()
    x = tensor([1.0])
    with tinylm.trace() as a:
        model(IDS)
        F.exp(x)
    with tinylm.trace() as b:
        model.hidden(IDS)
        F.exp(x)
    found = tinylm.trace.diff(a, b)
    assert (found.first.op, found.second) == ("linear", None)


def test_another_corpus_is_a_difference():
    from tokenizer import train_bpe

    def traced(text):
        with tinylm.trace() as trace:
            train_bpe([text], 257)
        return trace

    found = tinylm.trace.diff(traced("low low"), traced("low low lo"))
    assert found.first.kind == "count"


def test_shapes_differ_unless_a_cache_is_spoken_of():
    def traced(x):
        with tinylm.trace() as trace:
            F.tanh(tensor(x))
        return trace

    x = np.random.default_rng(0).standard_normal((2, 3, 4))
    for part in (x[:, :, 2:], x[:, 1:], x[1:], x[:, :0]):
        assert "of shape" in str(tinylm.trace.diff(traced(x), traced(part)))
    assert tinylm.trace.diff(traced(x), traced(x[:, 1:]), cached=True) is None
    found = tinylm.trace.diff(traced(x), traced(x[:, 1:] + 1), cached=True)
    assert found.index[1] >= 1
    assert found.values[0] == np.tanh(x)[found.index]


def test_rtol_0_tells_zeros_by_sign_and_types():
    def traced(x):
        with tinylm.trace() as trace:
            F.reshape(tensor(x), (1,))
        return trace

    zero = np.zeros(1, np.float32)
    assert tinylm.trace.diff(traced(zero), traced(-zero)) is None
    assert tinylm.trace.diff(traced(zero), traced(-zero), rtol=0) is not None
    assert "of type float32 in a, float64 in b" in str(tinylm.trace.diff(traced(zero), traced(np.zeros(1)), rtol=0))
    assert tinylm.trace.diff(traced(zero), traced(zero + 1e-12)) is None
    assert tinylm.trace.diff(traced(zero), traced(zero + 1e-12), atol=0) is not None


def test_infinities_of_either_sign_differ():
    def traced(x):
        with tinylm.trace() as trace:
            F.reshape(tensor(x), (1,))
        return trace

    assert tinylm.trace.diff(traced([np.inf]), traced([-np.inf])) is not None
    assert tinylm.trace.diff(traced([np.inf]), traced([np.inf])) is None


def test_summaries_of_other_shapes_or_orders_differ():
    def traced(x):
        with tinylm.trace(values="summary") as trace:
            F.tanh(tensor(x))
        return trace

    x = np.arange(10.0)
    assert tinylm.trace.diff(traced(x), traced(x[::-1].copy())) is not None
    assert tinylm.trace.diff(traced(np.zeros((2, 5))), traced(np.zeros((5, 2)))) is not None


def test_something_else_than_a_trace_is_refused(traced):
    with pytest.raises(TypeError, match="expected two traces, got a str"):
        tinylm.trace.diff(traced, "run.trace")
