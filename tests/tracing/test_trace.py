"""A trace is what happened: every step, in order, with the values as they were, and nothing is changed by looking."""

from pathlib import Path

import numpy as np
import pytest

import tinylm
from tests.tracing.conftest import TEXT, everything, small
from tinylm import GPT, Recorder, Tensor, optim, tensor, use_kernels, watching
from tinylm import functional as F
from tinylm.ops import op_named, ops
from tinylm.tracing import NotInTrace, Summary
from tinylm.tracing.describe import describe
from tinylm.tracing.step import KINDS
from tokenizer import train_bpe


def test_a_trace_has_every_kind_of_step_in_the_order_in_which_they_happened(traced):
    kinds = [step.kind for step in traced]
    assert set(kinds) == set(KINDS) - {"train"}
    assert [step.number for step in traced] == list(range(len(traced)))
    firsts = [
        kinds.index(kind) for kind in ("count", "merge", "encode", "forward", "backward", "clip", "update", "choice")
    ]
    assert firsts == sorted(firsts)


def test_the_ops_of_a_trace_are_those_a_watcher_sees():
    model = small()
    ids = np.array([[1, 2, 3]])
    with use_kernels("reference"), watching(Recorder()) as seen:
        model(ids, ids)[1].backward()
    with tinylm.trace(model) as trace:
        model(ids, ids)[1].backward()
    assert [(step.phase, step.op.name, step.scope) for step in seen.steps] == [
        (step.kind, step.op, step.scope) for step in trace
    ]
    for step, ours in zip(seen.steps, trace, strict=True):
        arrays = [array for array in step.outputs if array is not None]
        assert all(np.array_equal(a, b) for a, b in zip(arrays, ours.outputs.values(), strict=True))
        for name, value in step.kept.items():
            if hasattr(value, "dtype"):
                assert np.array_equal(value, ours.kept[name])


def test_tracing_changes_no_bit_of_what_is_computed():
    def trained(traced: bool) -> bytes:
        model = small()
        with use_kernels("reference"):
            if traced:
                everything(model)
            else:
                optimizer = optim.AdamW(optim.decay_groups(model, 0.1), lr=1e-2)
                ids = np.array([train_bpe([TEXT], 264).encode(TEXT)[:8]])
                for _ in range(2):
                    optimizer.zero_grad()
                    model(ids[:, :-1], ids[:, 1:])[1].backward()
                    optim.clip_grad_norm(model.parameters(), 0.5)
                    optimizer.step()
        return b"".join(p.numpy().tobytes() for p in model.parameters())

    assert trained(True) == trained(False)


def test_values_stay_as_they_were_when_the_parameters_move_on(traced):
    first, second = traced.passes[:2]
    assert not np.array_equal(first["ln_f"].inputs["gain"], second["ln_f"].inputs["gain"])
    update = next(step for step in traced.kind("update") if step.leaves["p"] == "ln_f.weight")
    assert np.array_equal(first["ln_f"].inputs["gain"], update.inputs["p"])
    assert np.array_equal(second["ln_f"].inputs["gain"], update.outputs["p"])


def test_attention_weights_are_found_by_module_and_name(traced):
    p = traced.passes[0]["h.0.attn"].kept["p"]
    assert p.shape == (1, 2, 7, 7)
    assert np.allclose(p.sum(axis=-1), 1, atol=1e-6)
    assert np.array_equal(np.triu(p[0, 0], 1), np.zeros((7, 7)))
    with pytest.raises(ValueError, match="read-only"):
        p[0] = 0


def test_what_is_not_there_is_an_error_that_says_what_is(traced):
    with pytest.raises(NotInTrace, match=r"no module 'h\.0\.atn' in the trace; there are 'h\.0\.attn'"):
        traced["h.0.atn"]
    with pytest.raises(NotInTrace, match=r"no 'weights' among the kept of h\.0\.attn; there are .*p"):
        traced.passes[0]["h.0.attn"].kept["weights"]
    with pytest.raises(NotInTrace, match=r"'p' stands \d+ times among the kept .* take one pass"):
        traced["h.0.attn"].kept["p"]
    with pytest.raises(NotInTrace, match=f"there are 0 … {len(traced) - 1}"):
        traced[len(traced)]
    with pytest.raises(NotInTrace, match="no step of 'softmaxx'"):
        traced.of("softmaxx")
    with pytest.raises(ValueError, match="the kinds of steps are"):
        traced.kind("forwards")


def test_steps_are_reached_by_number_from_both_ends(traced):
    assert traced[5] is traced.steps[5]
    assert traced[-1] is traced.steps[-1]
    part = traced["h.1"]
    assert part[part.steps[3].number] is part.steps[3]


def test_parameters_have_their_own_names_and_inputs_know_which_step_made_them(traced):
    first = traced.passes[0]
    linear = first["h.0.attn.c_attn"].steps[0]
    assert linear.leaves == {"weight": "h.0.attn.c_attn.weight", "bias": "h.0.attn.c_attn.bias"}
    norm = traced[linear.sources["x"]]
    assert norm.scope == "h.0.ln_1"
    assert np.array_equal(norm.output, linear.inputs["x"])
    uses = [step for step in first if step.kind == "forward" and "wte.weight" in step.leaves.values()]
    assert [step.op for step in uses] == ["embedding", "linear"]


def test_without_a_model_parameters_are_called_by_module_and_argument():
    model = small()
    with tinylm.trace() as trace:
        model([[1, 2]])
    assert trace["wte"].steps[0].leaves == {"table": "wte.table"}


def test_forward_and_backward_of_a_node_share_its_number(traced):
    forward = {step.node: step for step in traced.forward if step.node is not None}
    assert traced.backward.steps
    for step in traced.backward:
        assert forward[step.node].op == step.op
        assert forward[step.node].scope == step.scope
        assert forward[step.node].caller == step.caller


def test_steps_say_equation_source_and_who_asked(traced):
    step = traced.passes[0]["h.0.attn"].of("causal_attention").steps[0]
    assert "softmax" in step.equation
    assert step.source.startswith("tinylm/ops/attention.py:")
    assert step.caller.startswith("tinylm/gpt.py:")
    assert "F.causal_attention(q, k, v" in step.caller
    assert step.letters["q"] == "(B, H, T, D)"
    assert step.title == "h.0.attn: causal_attention → y (B, H, T, E) = (1, 2, 7, 4)"
    line = int(step.source.rpartition(":")[2])
    file = tinylm.__path__[0] + "/ops/attention.py"
    lines = Path(file).read_text("utf-8").splitlines()
    assert "causal_attention" in "".join(lines[line - 1 : line + 2])


@pytest.mark.parametrize("op", [op for op in ops() if op.module.startswith("tinylm.")], ids=lambda op: op.name)
def test_every_op_of_the_library_has_a_sentence_and_a_named_result(op):
    said = describe(op.__doc__)
    assert said.sentence.endswith(".")
    assert said.result
    assert set(said.shapes) <= {*op.arrays, said.result}


def test_the_equation_of_layer_norm_is_the_one_in_its_docstring():
    said = describe(op_named("layer_norm").__doc__)
    assert said.equation.startswith("x̂ = (x − μ) · r")
    assert said.equation in op_named("layer_norm").__doc__


def test_passes_begin_where_the_first_op_runs_again(traced):
    assert len(traced.passes) == 5  # two of training, then the prompt and two tokens
    assert all(part.steps[0].scope == "wte" for part in traced.passes)


def test_a_nan_is_found_at_the_step_that_made_it():
    with np.errstate(all="ignore"), tinylm.trace() as trace:
        x = F.log(tensor([1.0, -1.0]))
        F.exp(x)
    assert trace.find("nan").op == "log"
    assert trace.find("inf") is None
    with pytest.raises(ValueError, match='find takes "nan" or "inf"'):
        trace.find("zero")


def test_a_nan_is_found_in_summaries_too():
    with np.errstate(all="ignore"), tinylm.trace(values="summary") as trace:
        F.log(tensor([1.0, -1.0, 0.0]))
    assert trace.find("nan").op == trace.find("inf").op == "log"


def test_memory_is_bounded_and_what_is_left_out_is_said():
    model = small()
    with tinylm.trace(model, memory=2000) as trace:
        model([[1, 2, 3]])
    assert 0 < trace.nbytes <= 2000
    assert trace.summarised > 0
    assert f"{trace.summarised} arrays only summarised" in repr(trace)
    kept = [value for step in trace for _, _, value in step.values()]
    summaries = [value for value in kept if isinstance(value, Summary)]
    assert summaries
    whole = {id(v): v for v in kept if not isinstance(v, Summary)}
    assert sum(v.nbytes for v in whole.values()) <= 4000  # views and packed arrays count once in the trace


def test_a_summary_says_what_numpy_says():
    x = np.array([[1.0, -2.0, np.nan], [np.inf, 5.0, 0.0]], np.float32)
    summary = Summary.of(x)
    finite = [1.0, -2.0, 5.0, 0.0]
    assert (summary.low, summary.high, summary.nan, summary.inf) == (-2.0, 5.0, 1, 1)
    assert summary.mean == pytest.approx(np.mean(finite))
    assert summary.std == pytest.approx(np.std(finite))
    assert np.array_equal(summary.sample, x.reshape(-1), equal_nan=True)
    assert Summary.of(np.zeros((0, 3))).sample == ()


def test_the_same_values_are_kept_once():
    x = tensor(np.random.default_rng(0).standard_normal(10_000).astype(np.float32))
    with tinylm.trace() as trace:
        F.exp(x)
        F.exp(x)
    assert trace.nbytes == 2 * x.data.nbytes  # x, and exp x


def test_arrays_changed_in_place_between_two_steps_are_kept_twice():
    x = np.zeros(10_000, np.float32) + 1
    with tinylm.trace() as trace:
        F.exp(Tensor(x))
        x[5000] = 7.0
        F.exp(Tensor(x))
    first, second = (step.inputs["x"] for step in trace)
    assert first[5000] == 1.0
    assert second[5000] == 7.0


def test_mostly_zero_arrays_are_kept_small_and_come_back_bit_for_bit():
    x = np.zeros((50, 100), np.float32)
    x[3, 5:50] = -1.5
    x[4, 4] = -0.0
    x[7, 7] = np.nan
    with tinylm.trace() as trace:
        F.reshape(Tensor(x), (5000,))
    back = trace[0].inputs["x"]
    assert np.array_equal(back.view(np.uint32), x.view(np.uint32))
    assert trace.nbytes < x.nbytes / 2


def test_kernels_fast_shows_what_runs_anyway():
    model, ids = small(), np.array([[1, 2, 3]])
    with tinylm.trace(model) as readable:
        model(ids)
    with tinylm.trace(model, kernels="fast") as fast:
        model(ids)
    assert "p" in readable["h.0.attn"].kept
    assert "p" not in fast["h.0.attn"].kept
    assert "_numpy.py" in fast["h.0.attn"].of("causal_attention").steps[0].source


def test_settings_out_of_range_are_refused():
    for wrong in ({"kernels": "slow"}, {"values": "some"}, {"memory": -1}):
        with pytest.raises(ValueError, match="trace: "):
            tinylm.trace(**wrong)


def test_after_the_block_nothing_is_recorded_also_when_it_raises():
    def interrupted(tracing):
        with tracing as trace:
            seen.append(trace)
            F.exp(tensor([1.0]))
            raise RuntimeError("stop")

    seen = []
    with pytest.raises(RuntimeError, match="stop"):
        interrupted(tinylm.trace())
    (trace,) = seen
    F.exp(tensor([1.0]))
    assert len(trace) == 1


def test_traces_may_be_nested():
    with tinylm.trace() as outer:
        F.exp(tensor([1.0]))
        with tinylm.trace() as inner:
            F.exp(tensor([2.0]))
    assert (len(outer), len(inner)) == (2, 1)


def test_recomputed_blocks_are_traced_again_in_backward():
    model = small()
    model.recompute = True
    with tinylm.trace(model) as trace:
        model([[1, 2, 3]], [[2, 3, 4]])[1].backward()
    attentions = [step.kind for step in trace.of("causal_attention")]
    assert attentions == ["forward", "forward", "forward", "backward", "forward", "backward"]


def test_the_table_has_a_line_for_every_step(traced):
    assert len(traced.table().splitlines()) == len(traced) + 1
    assert traced.table(3).splitlines()[-1] == f"  … and {len(traced) - 3} more steps"


def test_training_records_are_steps_too():
    model = small()
    batch = (np.array([[1, 2, 3]]), np.array([[2, 3, 4]]))
    with tinylm.trace(model) as trace:
        (record,) = tinylm.train.training(model, optim.SGD(model.parameters(), lr=0.1), [batch])
    (step,) = trace.kind("train")
    assert step.settings["loss"] == record.loss
    assert step.number == len(trace) - 1


@pytest.mark.parametrize("name", ["numpy", "strict"])
def test_a_trace_on_another_device_has_the_values_on_the_host(name):
    model: GPT = small()
    model.to(name)
    with tinylm.trace(model) as trace:
        model(tensor([[1, 2, 3]], device=name))
    assert all(isinstance(value, np.ndarray) for step in trace for _, _, value in step.values())


def test_a_negative_number_is_a_place_in_a_part_and_a_slice_a_list():
    trace = everything(small(), steps=1)
    part = trace.kind("choice")
    assert part[-1] is part.steps[-1]
    assert part[-2] is part.steps[-2]
    assert trace[2:5] == trace.steps[2:5]
    with pytest.raises(TypeError, match="takes a step's number, a slice or a module's name, got a NoneType"):
        trace[None]
    assert all(step.scope == "" for step in trace["model"])


def test_modules_are_told_by_their_whole_name():
    model = small(n_layer=11)
    with tinylm.trace(model) as trace:
        model([[1]])
    assert {step.scope.split(".")[1] for step in trace["h.1"]} == {"1"}


def test_what_a_trace_records_it_does_not_keep_alive():
    import gc
    import weakref

    x = Tensor(np.zeros(50_000, np.float32))
    reference = weakref.ref(x.data)
    with tinylm.trace(memory=0) as trace:
        F.exp(x)
        del x
        gc.collect()
        assert reference() is None
    assert trace.nbytes == 0


def test_letters_that_contradict_each_other_are_left_out():
    model = small()
    with tinylm.trace(model) as trace:
        model([[1, 2, 3]])
    head = next(step for step in trace.of("linear") if step.scope == "")
    assert head.letters["x"] == "(B, T, I)"
    assert "weight" not in head.letters  # (V, C), for the setting `transposed`
    assert trace["h.0.attn.c_attn"].steps[0].letters["weight"] == "(I, O)"


def test_something_else_than_a_model_is_refused():
    with pytest.raises(TypeError, match=r"model is a Module, .* got a str"):
        tinylm.trace("run")


def test_all_inputs_know_their_makers_and_kept_tuples_come_apart():
    x = tensor([1.0, 2.0], requires_grad=True)
    with tinylm.trace() as trace:
        a, b = F.exp(x), F.sin(x)
        (F.stack([a, b]) * a).sum().backward()
    joined = trace.of("stack").steps[0]
    assert list(joined.sources.values()) == [0, 1]
    product = trace.of("multiply").steps[0]
    assert (product.sources["a"], product.sources["b"]) == (2, 0)
    backward = next(step for step in trace.backward if step.op == "stack")
    assert len(backward.outputs) == 2
    assert all(step.seconds > 0 for step in trace)


def test_an_array_in_the_place_of_another_is_not_taken_for_it():
    with tinylm.trace() as trace:
        for n in range(50):  # ids of arrays that are gone are used again
            F.exp(tensor([float(n)]))
    assert all(not step.sources for step in trace)
    assert len({step.leaves["x"] for step in trace}) == 50


def test_parts_of_an_array_are_kept_as_those_parts():
    base = np.arange(20_000.0).reshape(100, 200) / 1e4
    views = [base[10:60], base[:, 50:150], base.T, base[::-1, ::2], base.reshape(200, 100)[5:]]
    with tinylm.trace() as trace:
        F.exp(Tensor(base))
        for view in views:
            F.negative(Tensor(view))
    for step, view in zip(trace.of("negative"), views, strict=True):
        assert np.array_equal(step.inputs["x"], view)
    outputs = sum(view.nbytes for view in views) + base.nbytes
    assert trace.nbytes == base.nbytes + outputs
