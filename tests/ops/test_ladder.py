"""The rungs that every op climbs, on every device, for shapes drawn by Hypothesis."""

import functools

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

import tinylm.functional as F
from tinylm.ops import op_named, ops

from . import ladder
from .cases import CASES, FAMILIES

DIFFERENTIABLE = [name for name in CASES if op_named(name).differentiable]
SPELLED = [name for name, case in CASES.items() if case.spelled]
OURS = {op.name for op in ops() if op.module.startswith("tinylm.")}  # users and tests define others
KERNELS = [(op.name, device) for op in ops() for device in op.kernels]
PART = max(10, settings().max_examples // 2)  # one op, one rung and one device among some 300


def climb(check, name, device, examples=PART):
    """Run a check of the ladder on drawn examples of the case called `name`."""
    case = CASES[name]

    @settings(max_examples=examples, suppress_health_check=[HealthCheck.too_slow])
    @given(case.examples)
    def drawn(example):
        check(case, example, device)

    drawn()


def test_every_op_has_a_case():
    assert set(CASES) == OURS


def test_cases_stand_in_families_that_are_the_files_of_ops():
    for stem, family in FAMILIES.items():
        for name in family:
            assert op_named(name).module == f"tinylm.ops.{stem}"


def test_every_public_function_is_an_op_and_every_op_a_public_function():
    assert sorted(F.__all__) == sorted(OURS)
    assert all(callable(getattr(F, name)) for name in F.__all__)


@pytest.mark.parametrize("name", CASES)
def test_forward_equals_the_loop_oracle(name, device):
    climb(ladder.check_forward, name, device)


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_gradient_equals_the_numerical_one(name, device):
    climb(ladder.check_gradient, name, device)


@pytest.mark.parametrize("name", [name for name in CASES if name != "astype"])
def test_float32_stays_float32_and_near_float64(name, device):
    climb(ladder.check_float32, name, device)


@pytest.mark.parametrize("name", SPELLED)
def test_fused_equals_spelled(name, device):
    climb(ladder.check_spelled, name, device)


# float64: as the oracle, 1e-12. float32: values below 2, up to 25 equal rows added in another order, and the
# polynomial of gelu's kernel is within 1.5e-7 of the function: 2⁻²⁴ · 2 · 25 roundings + 1.5e-7 · 2.
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 3.5e-6)])
@pytest.mark.parametrize(("name", "backend"), KERNELS)
def test_kernel_equals_reference(name, backend, dtype, tolerance):
    if backend == "cupy":
        pytest.importorskip("cupy")
    check = functools.partial(ladder.check_kernel, name, dtype=dtype, tolerance=tolerance)
    climb(check, name, backend, settings().max_examples)
