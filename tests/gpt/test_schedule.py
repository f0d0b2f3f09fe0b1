"""Learning rates by step: warm-up, cosine, bounds and order."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinylm import schedule


@st.composite
def settings(draw):
    rates = st.just(0.0) | st.floats(1e-9, 1)  # not so small that products vanish
    low = draw(rates)
    warmup = draw(st.integers(0, 30))
    return {
        "min_lr": low,
        "max_lr": low + draw(rates),
        "warmup": warmup,
        "total": warmup + draw(st.integers(0, 60)),
    }


@given(settings())
def test_it_rises_then_falls_then_stays(kind) -> None:
    rates = [schedule.cosine(step, **kind) for step in range(kind["total"] + 3)]
    top = kind["warmup"]
    tiny = 1e-15  # one rounding of numbers up to 2
    assert all(a <= b + tiny for a, b in itertools.pairwise(rates[:top]))
    assert all(a >= b - tiny for a, b in itertools.pairwise(rates[top:]))
    assert rates[-1] == rates[kind["total"]] == kind["min_lr"]
    assert all(0 <= rate <= kind["max_lr"] + tiny for rate in rates)
    if kind["max_lr"] > 0:
        assert all(rate > 0 for rate in rates[:top])


@given(settings())
def test_warm_up_climbs_in_equal_steps_from_above_0(kind) -> None:
    w = kind["warmup"]
    for step in range(w):
        assert schedule.cosine(step, **kind) == pytest.approx(kind["max_lr"] * (step + 1) / (w + 1), rel=1e-15)
    if kind["total"] > w:
        assert schedule.cosine(w, **kind) == pytest.approx(kind["max_lr"], rel=1e-15)


@given(settings(), st.integers(0, 60))
def test_the_cosine_is_symmetric_about_its_middle(kind, offset) -> None:
    span = kind["total"] - kind["warmup"]
    if 0 < offset < span:
        early = schedule.cosine(kind["warmup"] + offset, **kind)
        late = schedule.cosine(kind["total"] - offset, **kind)
        assert early + late == pytest.approx(kind["min_lr"] + kind["max_lr"], rel=1e-13)


def test_a_quarter_of_the_way_is_where_the_cosine_says() -> None:
    rate = schedule.cosine(25, max_lr=1.0, min_lr=0.0, warmup=0, total=100)
    assert rate == pytest.approx((1 + math.sqrt(0.5)) / 2, rel=1e-15)


def test_constant_is_level_after_the_warm_up() -> None:
    assert [schedule.constant(step, max_lr=2.0, warmup=1) for step in (0, 1, 2, 1000)] == [1.0, 2.0, 2.0, 2.0]
    assert schedule.constant(0, max_lr=2.0) == 2.0
