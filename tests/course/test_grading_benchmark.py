"""The proof that the grader works (benchmarks/grading.py) is itself able to fail."""

import ast
from dataclasses import replace

import pytest

from benchmarks import grading
from benchmarks.grading_explained import EXPLAINED, UNASKED, matches
from benchmarks.grading_mutants import Mutant, mutants, some
from tinylm.course.exercise import case
from tinylm.course.problem import XP, Problem, problem_named, problems
from tinylm.course.problems.inputs import drawn, pick

pytest.importorskip("hypothesis", reason="Hypothesis draws the inputs: pip install 'tinylm[course]'")

TWO = ["causal_mask", "keep_min_p"]


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["grading.py", "--workers", "1", *arguments])
    return grading.main()


def known(monkeypatch: pytest.MonkeyPatch, problem: Problem) -> None:
    """Put a changed exercise in the place of the real one."""
    monkeypatch.setattr(grading, "problem_named", lambda name: problem if name == problem.name else problem_named(name))


@pytest.mark.parametrize("name", ["layer_norm", "merge_pair", "keep_top_k", "cosine"])
def test_every_change_is_of_one_place_and_can_be_compiled(name: str) -> None:
    problem = problem_named(name)
    found = mutants(problem)
    assert len(found) > 15
    for mutant in found:
        before = ast.unparse(ast.parse(problem.sources()[mutant.source]))
        compile(mutant.text, "a change", "exec")
        assert mutant.text != before
        different = [a for a, b in zip(before.splitlines(), mutant.text.splitlines(), strict=False) if a != b]
        # one place: either one line differs, or a statement grew or shrank by whole lines
        assert len(different) <= 1 or len(before.splitlines()) != len(mutant.text.splitlines())


def test_changes_differ_from_each_other_and_are_drawn_alike_for_a_seed() -> None:
    problem = problem_named("layer_norm")
    texts = [(mutant.source, mutant.text) for mutant in mutants(problem)]
    assert len(set(texts)) > 0.9 * len(texts)
    assert some(problem, 5, 1) == some(problem, 5, 1) != some(problem, 5, 2)
    assert len(some(problem, 10_000)) == len(texts)


def test_docstrings_error_texts_and_defaults_that_nobody_gives_are_left_alone() -> None:
    assert all("workers" not in mutant.new for mutant in mutants(problem_named("count_pretokens")))
    assert all('"""' in mutant.text for mutant in mutants(problem_named("cosine")) if mutant.source == 0)
    assert not [m for m in mutants(problem_named("get_batch")) if nodes_of_raise(m) != nodes_of_raise(None)]


def nodes_of_raise(mutant: Mutant | None) -> list[str]:
    """The errors that are raised, as they stand in a change of get_batch, or in what was changed."""
    text = mutant.text if mutant else problem_named("get_batch").sources()[0]
    return [ast.dump(each) for each in ast.walk(ast.parse(text)) if isinstance(each, ast.Raise)]


def test_all_three_parts_pass_on_two_exercises(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    chosen = [word for name in TWO for word in ("--exercise", name)]
    assert run(monkeypatch, *chosen, "--only", "faults", "--only", "mutants", "--per-exercise", "6") == 0
    said = capsys.readouterr().out
    faults = sum(len(problem_named(name).faults) for name in TWO)
    assert f"faults: {faults} in 2 exercises, {faults} noticed, {faults} named right (100.0%)" in said
    assert "changes: 12 in 2 exercises, 12 noticed (100.0%)" in said


def test_right_answers_of_odd_style_are_accepted(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    assert run(monkeypatch, "--exercise", "keep_min_p", "--exercise", "split_heads", "--only", "unusual") == 0
    assert "unusual: 2 right answers of odd style, 2 accepted" in capsys.readouterr().out


def test_a_harmless_change_survives(capsys) -> None:
    problem = problem_named("var")
    harmless = [m for m in mutants(problem) if m.new == "x.mean(axis=axis, keepdims=True) - x"]
    assert len(harmless) == 1  # it is squared
    assert not grading.noticed(problem, harmless[0])
    assert grading.reason(harmless[0])


@drawn
def one_by_one(draw):
    return case(XP, 1, pick(draw, 1, 1))


def test_inputs_that_find_nothing_end_with_status_1(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    known(monkeypatch, replace(problem_named("causal_mask"), inputs=one_by_one))
    assert run(monkeypatch, "--exercise", "causal_mask", "--only", "mutants", "--per-exercise", "30") == 1
    assert "NOT EXPLAINED" in capsys.readouterr().out
    assert run(monkeypatch, "--exercise", "causal_mask", "--only", "faults") == 1
    assert "is not noticed" in capsys.readouterr().out


def test_a_refused_right_answer_ends_with_status_1(monkeypatch: pytest.MonkeyPatch, capsys, tmp_path) -> None:
    folder = tmp_path / "tests" / "course" / "unusual"
    folder.mkdir(parents=True)
    (folder / "odd.py").write_text("def keep_min_p(p, min_p):\n    return p > min_p * p.max()\n", encoding="utf-8")
    monkeypatch.setattr(grading, "ROOT", tmp_path)
    assert run(monkeypatch, "--exercise", "keep_min_p", "--only", "unusual") == 1
    assert "1 right answers of odd style, 0 accepted" in capsys.readouterr().out


def test_an_endless_change_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grading, "PATIENCE", 0.2)
    problem = problem_named("merge_pair")
    endless = [m for m in mutants(problem) if (m.old, m.new) == ("i += 1", "(left out)")]
    assert len(endless) == 1
    assert grading.noticed(problem, endless[0])


def test_every_explanation_is_of_a_change_that_there_is() -> None:
    patterns = {(name, old, new) for those in EXPLAINED.values() for names, old, new in those for name in names.split()}
    for name in {pattern[0] for pattern in patterns} | {key[0] for key in UNASKED}:
        there = mutants(problems()[name])
        meant = [pattern for pattern in patterns if pattern[0] == name]
        assert not [pattern for pattern in meant if not any(matches(mutant, pattern) for mutant in there)]
        assert {within for problem, within in UNASKED if problem == name} <= {mutant.within for mutant in there}
