"""The sampling funnel against the sampler itself: stages, what each removed, and where the number fell."""

import itertools
from dataclasses import asdict
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.show.drawn import everything, texts
from tinylm import show
from tinylm.choose import Choice
from tinylm.show.funnel import intervals, stages

CHOICES = st.builds(
    Choice,
    temperature=st.sampled_from([0, 0.5, 1.0, 1.7]),
    top_k=st.none() | st.integers(1, 40),
    top_p=st.none() | st.floats(0.05, 1.0),
    min_p=st.none() | st.floats(0.0, 1.0),
    repetition_penalty=st.sampled_from([1.0, 1.3]),
)


def chosen(choice, V=30, seed=0):
    logits = np.random.default_rng(seed).normal(size=V) * 2
    return choice.step(logits, [1, 2, 3], np.random.default_rng(seed + 1))


@given(CHOICES, st.integers(0, 50))
def test_the_last_stage_is_what_was_drawn_from_and_every_stage_adds_up_to_1(choice, seed):
    step = chosen(choice, seed=seed)
    found = stages(step)
    np.testing.assert_allclose(found[-1].p, step.p, rtol=1e-12)
    for stage in found:
        assert stage.p.sum() == pytest.approx(1, abs=1e-12)
    for before, after in itertools.pairwise(found):
        np.testing.assert_array_equal(after.before, before.p)
        np.testing.assert_array_equal(after.gone, (before.p > 0) & (after.p == 0))


@given(CHOICES, st.integers(0, 50))
def test_there_is_a_stage_for_each_setting_that_was_asked_for(choice, seed):
    names = [stage.name for stage in stages(chosen(choice, seed=seed))]
    expected = ["the model's softmax"]
    expected += ["repetition penalty"] if choice.repetition_penalty != 1 else []
    if choice.temperature == 0:
        expected += ["greedy: the largest"]
    else:
        expected += [f"temperature {choice.temperature:g}"] if choice.temperature != 1 else []
        expected += ["top-k"] if choice.top_k is not None else []
        expected += ["top-p (nucleus)"] if choice.top_p is not None else []
        expected += ["min-p"] if choice.min_p is not None else []
    assert names == expected


@given(CHOICES, st.integers(0, 50))
def test_the_number_fell_into_the_interval_of_the_token(choice, seed):
    step = chosen(choice, seed=seed)
    begin, end = intervals(step.p)[step.token]
    if step.uniform is not None:
        assert begin - 1e-12 <= step.uniform <= end + 1e-12  # the sampler scales the number, the picture the ends


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=20).filter(any))
def test_intervals_are_exact_sums_in_order_of_id(weights):
    p = np.array(weights) / sum(weights)
    found, total = intervals(p), Fraction(0)
    assert found[0, 0] == 0
    assert found[-1, 1] == 1
    np.testing.assert_array_equal(found[1:, 0], found[:-1, 1])
    for weight, (begin, end) in zip(weights, found, strict=True):
        assert begin == pytest.approx(float(total), abs=1e-12)
        total += Fraction(weight, sum(weights))
        assert end == pytest.approx(float(total), abs=1e-12)


def test_a_record_as_a_mapping_is_read_like_the_object():
    step = chosen(Choice(temperature=0.7, top_k=4))
    for one, other in zip(stages(step), stages(asdict(step)), strict=True):
        assert one.name == other.name
        np.testing.assert_array_equal(one.p, other.p)


class OddOnly:
    name = "odd only"

    def __call__(self, logits, ids, start):
        return np.where(np.arange(len(logits)) % 2 == 1, logits, -np.inf)


@pytest.mark.parametrize("temperature", [0.0, 0.7, 1.0])
def test_stages_before_the_temperature_are_shown_by_name_and_what_they_forbid_is_gone(temperature):
    logits = np.linspace(-2, 3, 20)
    choice = Choice(temperature, typical_p=0.6, presence_penalty=1.0, repetition_penalty=1.2, processors=[OddOnly()])
    found = stages(choice.step(logits, [1, 3], np.random.default_rng(1), 1))
    names = ["the model's softmax", "odd only", "repetition penalty", "presence and frequency penalty"]
    names += {0.0: ["greedy: the largest"], 0.7: ["temperature 0.7", "typical"], 1.0: ["typical"]}[temperature]
    assert [stage.name for stage in found] == names
    assert np.flatnonzero(found[1].gone).tolist() == list(range(0, 20, 2))
    for before, stage in itertools.pairwise(found):
        assert stage.p.sum() == pytest.approx(1)
        assert not stage.p[::2].any()
        assert (stage.before == before.p).all()
        assert not (stage.gone & (before.p == 0)).any(), "what is gone cannot go again"


def test_a_record_without_its_fields_says_which_are_missing():
    with pytest.raises(ValueError, match="no scaled, p, token"):
        stages({"logits": np.zeros(3)})


class TestPicture:
    @pytest.fixture(autouse=True)
    def _needed(self):
        pytest.importorskip("matplotlib", reason="matplotlib is not installed: pip install 'tinylm[show]'")

    labels = [b" %d" % n for n in range(30)]  # noqa: RUF012

    def panels(self, picture):
        *panels, line = picture.figure.axes
        return panels, line

    def test_rows_are_the_likeliest_tokens_with_their_ids_and_the_rest_is_summed_up(self):
        step = chosen(Choice(temperature=0.9))
        picture = show.sampling_funnel(step, self.labels, most=30)
        (first, _), _ = self.panels(picture)
        rows = [label.get_text() for label in first.get_yticklabels()]
        order = sorted(range(30), key=lambda i: -step.scaled[i])
        assert rows == [f"␣{i}  {i}" for i in order]
        few = show.sampling_funnel(step, self.labels, most=5)
        (first, last), _ = self.panels(few)
        assert first.get_yticklabels()[-1].get_text() == "25 others"
        rest = 1 - sum(bar.get_width() for bar in last.patches)
        assert any(text.strip() == f"{100 * rest:.0f}% together" for text in texts(last))

    def test_the_chosen_token_has_a_row_of_its_own_however_unlikely(self):
        record = {
            "logits": np.arange(30.0),
            "scaled": np.arange(30.0),
            "p": np.full(30, 1 / 30),
            "uniform": 0.01,
            "token": 0,
        }
        (first,), _ = self.panels(show.sampling_funnel(record, self.labels, most=4))
        labels = first.get_yticklabels()
        assert [label.get_text() for label in labels] == ["␣29  29", "␣28  28", "␣27  27", "␣0  0", "26 others"]
        assert [label.get_fontweight() for label in labels].count("bold") == 1

    def test_what_a_filter_removed_is_hatched_and_crossed_out_with_its_size_before(self):
        step = chosen(Choice(top_k=3))
        (before, after), _ = self.panels(show.sampling_funnel(step, self.labels, most=6))
        assert not any(bar.get_hatch() for bar in before.patches)
        gone = [bar for bar in after.patches if bar.get_hatch()]
        assert len(gone) == 3
        np.testing.assert_allclose([bar.get_width() for bar in gone], [bar.get_width() for bar in before.patches[3:]])
        assert sum("✕" in text for text in texts(after)) == 4, "three rows and all others"
        left = [bar.get_width() for bar in after.patches if not bar.get_hatch()]
        assert sum(left) == pytest.approx(1)
        assert "3 of 30 left" in after.get_title(loc="left")

    @pytest.mark.parametrize(("top_p", "most"), [(0.9, 8), (None, 3)])
    def test_the_line_has_all_probability_and_the_number_where_it_fell(self, top_p, most):
        step = chosen(Choice(temperature=1.2, top_p=top_p), seed=3)
        _, line = self.panels(show.sampling_funnel(step, self.labels, most=most))
        pieces = [(bar.get_x(), bar.get_width()) for bar in line.patches if hasattr(bar, "get_x")]
        assert sum(width for _, width in pieces) == pytest.approx(1)
        ends = [begin + width for begin, width in pieces]
        np.testing.assert_allclose([begin for begin, _ in pieces], [0.0, *ends[:-1]], atol=1e-12)
        assert line.lines
        assert all(np.allclose(mark.get_xdata(), step.uniform) for mark in line.lines)
        begin, end = intervals(step.p)[step.token]
        said = next(text for text in texts(line) if "drawn" in text)
        assert said == f"drawn: {step.uniform:.4f} fell into “␣{step.token}”, from {begin:.4f} to {end:.4f}"

    def test_greedy_draws_no_number(self):
        _, line = self.panels(show.sampling_funnel(chosen(Choice(temperature=0)), self.labels))
        assert not line.lines
        assert any("greedy" in text for text in texts(line))

    def test_labels_are_one_for_each_id(self):
        with pytest.raises(ValueError, match="expected 30"):
            show.sampling_funnel(chosen(Choice()), ["a"])

    def test_no_dollar_and_no_line_end_of_a_token_is_taken_for_more_than_that(self):
        picture = show.sampling_funnel(chosen(Choice(top_k=5)), ["$\n$"] * 30)
        assert any("$\\n$" in text for text in everything(picture))
        picture.svg()
