"""Seeded faults: each is caught by a named check, which passes on the true code."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tinylm import use_kernels
from tinylm.autograd import engine
from tinylm.autograd.engine import GradientError
from tinylm.ops.op import Kernel

from . import faults_basic, faults_model, ladder
from .cases import CASES
from .faults import FAULTS
from .test_ladder import PART


def climbs(check, name, kernels="reference"):
    """Run a check on one form of an op: the same examples every time, without looking for the smallest."""

    @settings(
        max_examples=max(100, 2 * PART), derandomize=True, database=None, phases=[Phase.generate],
        report_multiple_bugs=False, suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(CASES[name].examples)
    def drawn(example):
        with use_kernels(kernels):
            check(CASES[name], example)

    drawn()


CAUGHT = (AssertionError, GradientError, RuntimeWarning)  # what a failing test of this suite raises


@pytest.mark.parametrize("fault", FAULTS, ids=repr)
def test_a_seeded_fault_is_caught(fault, monkeypatch):
    true = fault.op.reference
    backward = fault.backward or true.backward
    wanted = fault.op._keywords(backward)
    monkeypatch.setattr(fault.op, "reference", Kernel(fault.forward or true.forward, backward, wanted))
    with pytest.raises(CAUGHT):
        climbs(fault.check, fault.op.name)


@pytest.mark.parametrize(
    ("check", "name"), sorted({(f.check, f.op.name) for f in FAULTS}, key=repr), ids=lambda p: getattr(p, "__name__", p)
)
def test_the_check_that_catches_a_fault_passes_on_the_true_code(check, name):
    climbs(check, name)


@pytest.mark.parametrize("name", ["add", "multiply", "where", "matmul", "broadcast_to"])
def test_an_engine_that_does_not_undo_broadcasting_is_caught(name, monkeypatch):
    monkeypatch.setattr(engine, "unbroadcast", lambda gradient, shape: gradient)
    with pytest.raises((*CAUGHT, ValueError)):  # NumPy's ValueError where two misshapen gradients meet
        climbs(ladder.check_gradient, name)


def used_twice(x):
    y = x.exp()
    return y * y + y


def last_gradient(last, grad, pulled):
    """chain.backward_pass with `=` for `+=`."""
    arrived, leaves = {last: grad}, {}
    while arrived:
        node = max(arrived)
        for source, gradient in pulled(node, arrived.pop(node)):
            (leaves if isinstance(source, str) else arrived)[source] = gradient
    return leaves


@pytest.mark.parametrize("kernels", ["fast", "reference"])
def test_an_engine_that_keeps_only_the_last_gradient_is_caught(kernels, monkeypatch):
    def add(self, node, gradient):
        true(self, node, gradient)
        self._arrived[node].total = gradient

    true = engine._Pending.add
    monkeypatch.setitem(CASES, "exp", replace(CASES["exp"], function=used_twice))
    climbs(ladder.check_gradient, "exp", kernels)
    if kernels == "fast":
        monkeypatch.setattr(engine._Pending, "add", add)
    else:
        monkeypatch.setattr(engine, "backward_pass", last_gradient)
    with pytest.raises(CAUGHT):
        climbs(ladder.check_gradient, "exp", kernels)


def test_there_are_faults_of_every_family_that_computes():
    assert len(FAULTS) >= 25
    assert {fault.file for fault in FAULTS} == {faults_basic.__name__, faults_model.__name__}
    families = {fault.op.module.rpartition(".")[2] for fault in FAULTS}
    assert families >= {"activation", "arithmetic", "attention", "dropout", "indexing", "loss", "matmul"}
    assert families >= {"normalization", "position", "reduction", "shape"}
