"""Watchers: what they are shown, in which order, and what the ready-made ones say of it."""
# ruff: noqa: PT012  (blocks of several lines that raise are what is tested)

import re
from pathlib import Path

import numpy as np
import pytest

from tests.autograd.checks import grad_of, leaf
from tinylm import GPT, FindNaN, GPTConfig, NaNError, Recorder, Timer, WriteGuard, nn, no_grad, tensor, watching
from tinylm import functional as F
from tinylm.autograd import watch
from tinylm.backend import to_host


def here() -> int:
    import inspect

    return inspect.currentframe().f_back.f_lineno


def test_steps_come_in_order_and_backward_mirrors_forward() -> None:
    x = leaf(1.0, 2.0)
    with watching(Recorder()) as seen:
        y = (x.exp() * x).sum()
        y.backward()
    assert [(s.phase, s.op.name) for s in seen.steps] == [
        ("forward", "exp"),
        ("forward", "multiply"),
        ("forward", "sum"),
        ("backward", "sum"),
        ("backward", "multiply"),
        ("backward", "exp"),
    ]
    forward, backward = seen.steps[:3], seen.steps[3:]
    assert [s.number for s in forward] == [s.number for s in reversed(backward)]
    assert [s.number for s in forward] == sorted({s.number for s in forward})


def test_a_step_carries_inputs_outputs_settings_and_what_was_kept() -> None:
    x = leaf(1.0, 2.0)
    with watching(Recorder(copy=False)) as seen:
        x.exp().sum(axis=0, keepdims=True).backward(np.array([1.0]))
    exp, total, total_back, exp_back = seen.steps
    assert exp.inputs[0] is x.data
    assert exp.outputs[0] is exp.kept["y"] is exp_back.kept["y"]
    assert total.settings == total_back.settings == {"axis": 0, "keepdims": True}
    assert exp_back.inputs[0].tolist() == [1.0, 1.0]
    assert exp_back.outputs[0].tolist() == grad_of(x)
    assert exp.seconds >= 0
    assert repr(exp) == "<forward exp (2,) → (2,)>"
    assert repr(total_back) == "<backward sum (1,) → (2,)>"


@pytest.mark.parametrize("device", ["numpy", "strict"])
def test_a_recorder_keeps_values_as_they_were_or_the_arrays_themselves(device) -> None:
    w = tensor([1.0, 2.0], requires_grad=True, device=device)
    with watching(Recorder(), live := Recorder(copy=False)) as seen:
        y = F.concatenate([w * w, w])
        y.sum().backward()
    with no_grad():
        w -= 1
    for step, later in zip(seen.steps, live.steps, strict=True):
        assert step.op is later.op
        assert step.kept.keys() == later.kept.keys()
    assert to_host(seen.steps[0].inputs[0]).tolist() == to_host(seen.steps[0].kept["a"]).tolist() == [1.0, 2.0]
    assert to_host(live.steps[0].inputs[0]).tolist() == to_host(live.steps[0].kept["a"]).tolist() == [0.0, 1.0]
    assert [to_host(g).tolist() for g in seen.steps[-1].outputs] == [[1.0, 2.0]] * 2


def test_a_recorder_copies_what_lies_in_nests_and_leaves_the_rest() -> None:
    a = np.ones(2)
    kept = {"pair": (a, [a, 3]), "dtype": a.dtype, "kind": np.float32, "part": slice(1)}
    copied = watch._copied(kept)
    a[:] = 5
    assert [copied["pair"][0].tolist(), copied["pair"][1][0].tolist(), copied["pair"][1][1]] == [[1, 1], [1, 1], 3]
    assert {k: copied[k] for k in ("dtype", "kind", "part")} == {k: kept[k] for k in ("dtype", "kind", "part")}


def test_a_step_that_records_nothing_has_no_number() -> None:
    with watching(Recorder()) as seen, no_grad():
        leaf(1.0).exp()
    assert seen.steps[0].number is None


def test_scopes_are_the_dotted_names_of_modules_forward_and_backward() -> None:
    model = GPT(GPTConfig(vocab_size=5, block_size=4, n_layer=2, n_head=2, n_embd=4))
    with watching(Recorder()) as seen:
        _, loss = model([[1, 2]], [[2, 3]])
        loss.backward()
    by_phase = {
        phase: {(s.number, s.scope) for s in seen.steps if s.phase == phase} for phase in ("forward", "backward")
    }
    assert by_phase["forward"] == by_phase["backward"]
    scopes = {scope for _, scope in by_phase["forward"]}
    modules = {name for name, _ in model.named_modules()}
    assert {"h.1.attn", "h.0.mlp.c_fc", "wte", "ln_f", "h.1"} <= scopes <= modules


def test_parts_of_nested_lists_know_their_full_names() -> None:
    class Deep(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rows = nn.ModuleList([nn.ModuleList([nn.Linear(1, 1)]) for _ in range(2)])

        def forward(self, x):
            return self.rows[1][0](x)

    with watching(Recorder()) as seen:
        Deep()(tensor([[1.0]]))
    assert [s.scope for s in seen.steps] == ["rows.1.0"]


def test_nobody_sees_steps_outside_the_block() -> None:
    with watching(Recorder()) as seen:
        pass
    leaf(1.0).exp()
    assert seen.steps == []


def test_all_watchers_see_every_step_in_the_order_given() -> None:
    calls: list[str] = []
    with watching(lambda s: calls.append("a"), lambda s: calls.append("b")), watching(lambda s: calls.append("c")):
        leaf(1.0).exp()
    assert calls == ["a", "b", "c"]


def test_the_timer_adds_up_calls_and_prints_a_table() -> None:
    x = leaf(1.0)
    with watching(Timer()) as timer:
        (x.exp() * x.exp()).sum().backward()
    assert timer.calls["forward", "exp"] == timer.calls["backward", "exp"] == 2
    assert timer.calls["backward", "sum"] == 1
    lines = timer.table().splitlines()
    assert lines[0].split() == ["op", "seconds", "share", "calls"]
    assert len(lines) == 7
    assert sum(float(line.split()[-2].rstrip("%")) for line in lines[1:]) == pytest.approx(100, abs=0.5)
    assert Timer().table().splitlines() == lines[:1]


@pytest.mark.parametrize("phase", ["forward", "backward"])
def test_a_watcher_that_raises_leaves_the_engine_usable(phase) -> None:
    def stop(step) -> None:
        if step.phase == phase:
            raise InterruptedError

    x = leaf(1.0, 2.0)
    with pytest.raises(InterruptedError), watching(stop):
        (x * x).sum().backward()
    x.grad = None
    (x * 3).sum().backward()
    assert grad_of(x) == [3.0, 3.0]
    x.data[0] = 7


# -- the NaN finder ------------------------------------------------------------------------------------


def test_the_nan_finder_names_the_first_op_its_inputs_and_the_line() -> None:
    x = leaf(1.0, -1.0)
    with np.errstate(all="ignore"), watching(FindNaN()), pytest.raises(NaNError) as caught:
        line = here() + 1
        y = (x * 2).log()
        y.exp().sum()
    message = str(caught.value)
    assert caught.value.step.op.name == "log"
    assert message.startswith("forward of log made float64[2] from 0.6931 to 0.6931, 1 NaN, 0 infinite")
    assert "x: float64[2] from -2 to 2, 0 NaN, 0 infinite" in message
    assert f"called at {Path(__file__)}:{line}: y = (x * 2).log()" in message


def test_the_nan_finder_names_the_module() -> None:
    model = GPT(GPTConfig(vocab_size=5, block_size=4, n_layer=2, n_head=2, n_embd=4))
    model.h[1].mlp.c_fc.weight.data[0, 0] = np.nan
    with watching(FindNaN()), pytest.raises(NaNError) as caught:
        line = here() + 1
        model([[1, 2]])
    assert "forward of linear made" in str(caught.value)
    assert "in module h.1.mlp.c_fc" in str(caught.value)
    assert re.search(r"weight: float32\[4, 16\] .* 1 NaN, 0 infinite", str(caught.value))
    assert f"called at {Path(__file__)}:{line}: model([[1, 2]])" in str(caught.value)


def test_the_nan_finder_finds_a_backward_and_says_where_its_forward_was_called() -> None:
    x = leaf(0.0, 4.0)
    with np.errstate(all="ignore"), watching(FindNaN()), pytest.raises(NaNError) as caught:
        line = here() + 1
        y = x.sqrt()
        y.sum().backward()
    message = str(caught.value)
    assert message.startswith("backward of sqrt made float64[2]")
    assert "dy: float64[2] from 1 to 1" in message
    assert "kept y: float64[2] from 0 to 2" in message
    assert f"called at {Path(__file__)}:{line}: y = x.sqrt()" in message


def test_the_nan_finder_remembers_the_line_for_a_second_backward() -> None:
    x, dy = leaf(4.0), np.array([1.0])
    with np.errstate(all="ignore"), watching(FindNaN()), pytest.raises(NaNError) as caught:
        line = here() + 1
        y = x.sqrt()
        y.backward(dy, keep_graph=True)
        y.backward(dy * np.inf)
    assert f":{line}: y = x.sqrt()" in str(caught.value)


def test_infinities_may_be_let_through() -> None:
    x = leaf(0.0)
    with np.errstate(all="ignore"):
        with watching(FindNaN(infinite=False)):
            x.log()
        with watching(FindNaN()), pytest.raises(NaNError, match="0 NaN, 1 infinite"):
            x.log()


def test_the_nan_finder_is_silent_on_finite_numbers_and_on_whole_ones() -> None:
    x = tensor([[1.0, 2.0]], requires_grad=True)
    with watching(FindNaN()):
        F.softmax_cross_entropy(x[:, :], x.argmax(1)).backward()
    assert x.grad is not None


def test_the_nan_finder_works_on_the_strict_device() -> None:
    x = tensor([-1.0], requires_grad=True, device="strict")
    with np.errstate(all="ignore"), watching(FindNaN()), pytest.raises(NaNError, match="forward of log"):
        x.log()


def test_code_in_a_folder_whose_name_begins_like_the_packages_is_the_callers_own() -> None:
    mine = f"{Path(watch.__file__).parents[1]}_course/mine.py"
    scope = {"call_site": watch.call_site}
    exec(compile("where = call_site()", mine, "exec"), scope)
    assert scope["where"].startswith(f"{mine}:1:")


@pytest.mark.parametrize("watcher", [FindNaN, WriteGuard])
def test_watchers_do_not_remember_without_end(watcher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "_REMEMBERED", 10)
    guard, x = watcher(), leaf(1.0)
    with watching(guard):
        for _ in range(30):
            x.exp()
    assert max(len(value) for value in vars(guard).values() if isinstance(value, dict)) == 10
