"""Stubs: what they hold, what they must not hold, and that a student can begin with them at once."""

import ast
import doctest
import importlib.util
import inspect
import json
import shutil
import subprocess
import sys

import pytest

from tinylm.cli import main
from tinylm.course.outcome import Here
from tinylm.course.problem import Problem, live_source, plain, problem_named, problems
from tinylm.course.stub import imports_for, listing, marked, solution, stub, stubs

NAMES = list(problems())
EMPTY = {"topic": "t", "level": 1, "minutes": 1, "inputs": lambda: None, "faults": ()}


def loaded(text, folder, name="my_work"):
    """The module that a file with this text is."""
    file = folder / f"{name}.py"
    file.write_text(text, "utf-8")
    spec = importlib.util.spec_from_file_location(name, file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def code_lines(live):
    """The statements of a live function below its docstring, each as one line without spaces."""
    node = ast.parse(live_source(live)).body[0]
    below = [each for each in ast.walk(node) if isinstance(each, ast.stmt) and each is not node]
    found = ["".join(ast.unparse(each).split()) for each in below if not isinstance(each, (ast.Expr, ast.FunctionDef))]
    return [each for each in found if len(each) > 12 and "self." not in each]


@pytest.mark.parametrize("name", NAMES)
def test_a_stub_imports_and_has_the_signature_of_the_live_object(name, tmp_path):
    problem = problem_named(name)
    answer = getattr(loaded(stub(problem), tmp_path), problem.symbol)
    assert str(inspect.signature(answer)) == str(inspect.signature(plain(problem.live)))
    assert answer.__name__ == problem.symbol


@pytest.mark.parametrize("name", NAMES)
def test_a_stub_says_what_the_live_docstring_says_and_holds_none_of_its_code(name, tmp_path):
    problem = problem_named(name)
    answer = getattr(loaded(stub(problem), tmp_path), problem.symbol)
    said = "".join((answer.__doc__ or "").split())
    for line in (plain(problem.live).__doc__ or "").splitlines():
        assert "".join(line.split()) in said
    assert not problem.notes or "".join(problem.notes.split()) in said
    if not inspect.isclass(problem.live):
        body = ast.parse(stub(problem)).body[-1].body
        assert "".join(ast.unparse(body[-1]).split()).startswith("raiseNotImplementedError(")
        assert len(body) <= 2  # the docstring and the line above
    flat = "".join(ast.unparse(ast.parse(stub(problem))).split())
    for line in code_lines(problem.live) if not inspect.isclass(problem.live) else ():
        assert line not in flat


@pytest.mark.parametrize("name", NAMES)
def test_an_example_in_a_stub_fails_only_for_the_want_of_an_answer(name, tmp_path):
    problem = problem_named(name)
    module = loaded(stub(problem), tmp_path)
    raised = []

    class Runner(doctest.DocTestRunner):
        def report_failure(self, out, test, example, got):
            raised.append(got)

        def report_unexpected_exception(self, out, test, example, exc_info):
            raised.append(exc_info[0])

    for test in doctest.DocTestFinder(recurse=False).find(getattr(module, problem.symbol), globs=vars(module).copy()):
        Runner(verbose=False).run(test, out=lambda text: None)
    assert NameError not in raised or raised[0] is NotImplementedError  # then a variable has no value
    if ">>> " + problem.symbol in (plain(problem.live).__doc__ or "") and not inspect.isclass(problem.live):
        assert NotImplementedError in raised


@pytest.mark.parametrize("name", NAMES)
def test_the_answer_as_a_file_of_its_own_does_what_the_library_does(name, tmp_path):
    pytest.importorskip("hypothesis")
    from tinylm.course.cases import cases_of

    problem = problem_named(name)
    answer = getattr(loaded(solution(problem), tmp_path), problem.symbol)
    cases = cases_of(problem, tries=10)
    expected = Here(problem.reference, problem.drive).calls(cases)
    for want, got in zip(expected, Here(answer, problem.drive).calls(cases), strict=True):
        assert (want.error is None) == (got.error is None)
        if want.error is None:
            assert problem.compare(want.value, got.value) is None


@pytest.mark.parametrize("name", NAMES)
def test_the_answer_between_marks_is_right_and_all_of_it_is_between_them(name, tmp_path):
    pytest.importorskip("hypothesis")
    from tinylm.course.cases import cases_of

    problem = problem_named(name)
    text = marked(problem, "### BEGIN", "### END")
    shown, inside = [], False
    for line in text.splitlines():  # as nbgrader takes regions out
        if "### BEGIN" in line:
            assert not inside
            inside = True
            shown.append(line.replace("### BEGIN", "raise NotImplementedError"))
        elif "### END" in line:
            assert inside
            inside = False
        elif not inside:
            shown.append(line)
    stub_text = "\n".join(shown)
    flat = "".join(ast.unparse(ast.parse(stub_text)).split())
    for line in code_lines(problem.live) if not inspect.isclass(problem.live) else ():
        assert line not in flat
    imports = "\n".join(imports_for([problem], stub_text))
    answer = getattr(loaded(f"{imports}\n\n{text}", tmp_path), problem.symbol)
    cases = cases_of(problem, tries=10)
    expected = Here(problem.reference, problem.drive).calls(cases)
    for want, got in zip(expected, Here(answer, problem.drive).calls(cases), strict=True):
        assert (want.error is None) == (got.error is None)
        if want.error is None:
            assert problem.compare(problem.view(want.value, ()), problem.view(got.value, ())) is None


def test_all_stubs_pass_the_linter_as_it_comes_and_are_formatted(tmp_path):
    if shutil.which("ruff") is None:
        pytest.skip("ruff is not installed")
    for name, problem in problems().items():
        (tmp_path / f"{name}.py").write_text(stub(problem), "utf-8")
    for arguments in (["check", "--select", "E4,E7,E9,F,I"], ["format", "--check"]):
        command = ["ruff", arguments[0], "--isolated", "--line-length", "120", *arguments[1:], "."]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def test_several_exercises_stand_in_one_file_with_one_head(tmp_path):
    text = stubs([problem_named("layer_norm"), problem_named("layer_norm_backward")])
    module = loaded(text, tmp_path)
    assert module.layer_norm.__name__ == "layer_norm"
    assert module.layer_norm_backward.__name__ == "layer_norm_backward"
    assert text.count('"""Write what is missing') == 1


def test_two_exercises_of_one_name_do_not_go_into_one_file():
    one = problem_named("layer_norm")
    other = Problem("norm", one.live, symbol="layer_norm", **EMPTY)
    with pytest.raises(ValueError, match="layer_norm and norm are both written as layer_norm"):
        stubs([one, other])


class Base:
    """What a student is given."""


class Scaled(Base):
    """Twice the input, plus an offset.

    >>> Scaled(1)(2)
    5
    """

    factor = 2

    def __init__(self, offset: float):  # set-up is given
        super().__init__()
        self.offset = self._told(offset)

    def __call__(self, x: float) -> float:
        """The scaled number."""
        # a comment that tells how
        return self._product(x) + self.offset

    def _product(self, x):
        return self.factor * x

    def _told(self, x):
        return x

    @property
    def twice(self) -> float:
        return self.factor * self.offset  # twice the offset, of course


def offset_by(
    values: "list[float]",  # one or more
    by: float = 0.25,
    *,
    scheme: str = "plain",
):
    r"""Each value plus `by` (0.25), in the "plain" scheme, with \n between.

    >>> offset_by([1.0])
    [1.25]
    """
    return [value + by for value in values]


def test_a_class_keeps_its_skeleton_and_its_set_up():
    text = stub(Problem("scaled", Scaled, symbol="Scaled", **EMPTY))
    assert "class Scaled(Base):" in text
    assert "factor = 2" in text
    assert "self.offset = self._told(offset)" in text
    assert 'raise NotImplementedError("write Scaled.__call__")' in text
    assert '    @property\n    def twice(self) -> float:\n        raise NotImplementedError("write' in text
    assert "_product" not in text
    assert "a comment that tells how" not in text
    assert "of course" not in text
    assert "def _told(self, x):\n        raise" in text  # the set-up that is given calls it
    assert f"from {__name__} import Base" in text


def test_the_settings_of_a_student_stand_in_signature_prose_and_examples():
    problem = Problem(
        "offset", offset_by, symbol="offset_by", variants={"by": (0.25, 0.5), "scheme": ("plain", "odd")}, **EMPTY
    )
    text = stub(problem, variant={"by": 0.5, "scheme": "odd"})
    assert "by: float = 0.5," in text
    assert 'scheme: str = "odd",' in text
    assert 'plus `by` (0.5), in the "plain" scheme, with \\n' in text  # what is said of plain stays true of it
    assert "    >>> offset_by([1.0])\n    [1.5]\n" in text
    assert "Your settings: by = 0.5, scheme = 'odd'" in text
    assert "# one or more" in text
    assert stub(problem) == stub(problem, variant={})
    assert "by: float = 0.25," in stub(problem)


VARIED = [(name, setting) for name in NAMES for setting in problem_named(name).variants]


@pytest.mark.parametrize(("name", "setting"), VARIED)
def test_every_setting_of_every_variant_stands_in_signature_and_docstring(name, setting, tmp_path):
    problem = problem_named(name)
    for number, value in enumerate(problem.variants[setting]):
        answer = getattr(loaded(stub(problem, variant={setting: value}), tmp_path, f"work_{number}"), problem.symbol)
        assert inspect.signature(answer).parameters[setting].default == value
        assert f"{setting} = {value!r}" in " ".join(answer.__doc__.split())


def test_a_setting_that_is_no_option_is_refused():
    with pytest.raises(ValueError, match="no such variant of eps"):
        stub(problem_named("layer_norm"), variant={"eps": 3.0})


def test_the_list_names_every_exercise_and_fits_the_terminal():
    text = listing(problems().values(), width=80)
    for name, problem in problems().items():
        row = next(line for line in text.splitlines() if line.startswith(f"{name} "))
        assert problem.topic in row
        assert f" {problem.minutes} " in row
        assert "●" * problem.level in row
    assert max(map(len, text.splitlines())) <= 100
    assert f"{len(problems())} exercises" in text


def test_the_command_writes_one_to_standard_output_and_lists_all_as_json(capsys):
    assert main(["stub", "layer_norm"]) == 0
    assert capsys.readouterr().out == stub(problem_named("layer_norm"))
    assert main(["stub", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [each["name"] for each in listed] == NAMES
    assert listed[0].keys() >= {"topic", "level", "minutes", "needs", "faults"}


def test_the_command_takes_the_secret_from_the_environment(capsys, monkeypatch):
    monkeypatch.setenv("TINYLM_SECRET", "s3")
    assert main(["stub", "layer_norm", "--variant", "ada"]) == 0
    from_environment = capsys.readouterr().out
    monkeypatch.delenv("TINYLM_SECRET")
    assert main(["stub", "layer_norm", "--variant", "ada", "--secret", "s3"]) == 0
    assert capsys.readouterr().out == from_environment
    assert "s3" not in from_environment.split()
    assert main(["stub", "layer_norm", "--variant", "ada"]) == 2
    assert "TINYLM_SECRET" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["stub"], "which exercise"),
        (
            ["stub", "layer_nrom"],
            "no exercise is called 'layer_nrom'; did you mean 'layer_norm'? tinylm stub --list shows",
        ),
        (["stub", "layer_norm", "--list"], "leave out names"),
        (["stub", "layer_norm", "--secret", "x"], "--secret goes with --variant"),
        (["stub", "--topic", "cookery"], "there is no topic"),
    ],
)
def test_what_cannot_be_done_is_said(arguments, said, capsys):
    assert main(arguments) == 2
    assert said in capsys.readouterr().err


def test_work_that_exists_is_not_written_over(tmp_path, capsys):
    file = tmp_path / "my_work.py"
    assert main(["stub", "layer_norm", "-o", str(file)]) == 0
    before = file.read_bytes()
    assert main(["stub", "layer_norm_backward", "-o", str(file)]) == 2
    assert "exists" in capsys.readouterr().err
    assert file.read_bytes() == before


def test_a_stub_runs_without_the_checkout_as_its_folder(tmp_path):
    (tmp_path / "my_work.py").write_text(stub(problem_named("layer_norm")), "utf-8")
    done = subprocess.run([sys.executable, "-W", "error", "my_work.py"], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
