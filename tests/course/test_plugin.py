"""`pytest --solution my_work.py`, in a process of its own: items, reports, selection, and what it must not do."""

import importlib.util
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOLUTION = """
import os
import numpy as np

print("the student's code ran in", os.getpid())
open_at_import = open


def relu(xp, x):
    return xp.where(x > 0, x, 0.0)


def layer_norm(xp, x, gain, bias=None, *, eps=1e-5):
    mean = x.mean(axis=-1, keepdims=True)
    root = np.sqrt(((x - mean) ** 2).mean(axis=-1, keepdims=True))
    y = gain * (x - mean) / (root + eps)
    return y if bias is None else y + bias


def softmax(xp, x, *, axis=-1):
    os._exit(0)


def test_nothing():
    raise RuntimeError("this is no test of pytest's")
"""
TRAP = "import pathlib\npathlib.Path(__file__).with_name('trapped').touch()\n"


def pytests(folder: Path, *arguments: str, plugin: bool = True, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run pytest in a folder, as where tinylm is installed: an entry point or -p, both load the same module."""
    return subprocess.run(
        [sys.executable, "-P", "-W", "error", "-m", "pytest", "-W", "error", "-p", "no:cacheprovider",
         *(["-p", "pytest_tinylm"] if plugin else []), *arguments],
        cwd=folder, capture_output=True, text=True, timeout=300, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", **environment},
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "my_work.py").write_text(SOLUTION)
    (tmp_path / "conftest.py").write_text(TRAP)
    (tmp_path / "test_other.py").write_text("def test_other():\n    assert True\n")
    return tmp_path


def test_each_exercise_is_an_item_and_its_failure_is_the_report(folder):
    ran = pytests(folder, "--solution", "my_work.py", "-v", "--junitxml=report.xml")
    assert ran.returncode == 1, ran.stdout + ran.stderr
    assert "my_work.py::relu PASSED" in ran.stdout
    assert "my_work.py::layer_norm FAILED" in ran.stdout
    assert "my_work.py::softmax FAILED" in ran.stdout
    assert "behaves as if eps were added outside of the root" in ran.stdout
    assert "2 failed, 1 passed" in ran.stdout
    for ours in ("Traceback", "plugin.py", "NotRight", "test_other", "test_nothing"):
        assert ours not in ran.stdout
    suite = ET.parse(folder / "report.xml").getroot()[0]
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("3", "2", "0")
    assert {case.get("name") for case in suite} == {"softmax", "layer_norm", "relu"}
    failed = {case.get("name"): case.find("failure") for case in suite}
    assert failed["relu"] is None
    assert "eps were added outside" in failed["layer_norm"].text
    properties = {each.get("name"): each.get("value") for each in suite.iter("property")}
    assert properties["fault"] == "eps_outside"


def test_the_students_code_and_conftest_never_run_in_pytests_process(folder):
    with (folder / "my_work.py").open("a") as file:
        file.write(TRAP + "import sys\nsys.modules['pytest'].skip = None\n")
    ran = pytests(folder, "--solution", "my_work.py", "--doctest-modules")
    assert ran.returncode == 1
    assert not (folder / "trapped").exists()
    assert "3 failed" in ran.stdout  # the file cannot be run where there is nothing to write, and no pytest


@pytest.mark.parametrize(
    ("arguments", "ends"),
    [
        (("-q", "-k", "relu"), "1 passed, 2 deselected"),
        (("-x", "-k", "layer_norm or softmax"), "1 failed, 1 deselected"),
        (("--collect-only", "-q"), "3 tests collected"),
        (("test_other.py", "-k", "other or relu"), "2 passed, 2 deselected"),
        (("my_work.py::relu",), "1 passed"),
    ],
)
def test_pytests_own_options_work(folder, arguments, ends):
    (folder / "conftest.py").unlink()
    ran = pytests(folder, "--solution", "my_work.py", *arguments)
    assert ends in ran.stdout, ran.stdout + ran.stderr


def test_exercises_run_on_several_processes_of_xdist(folder):
    if importlib.util.find_spec("xdist") is None:
        pytest.skip("pytest-xdist is not installed")
    ran = pytests(folder, "--solution", "my_work.py", "-p", "xdist", "-n", "2", "-q")
    assert "2 failed, 1 passed" in ran.stdout, ran.stdout + ran.stderr


def test_a_variant_comes_from_the_environment(folder):
    ran = pytests(
        folder, "--solution", "my_work.py", "--solution-variant", "ada", "-k", "layer_norm", TINYLM_SECRET="key"
    )
    assert "Settings of this variant: eps=" in ran.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--solution", "nowhere.py"), "--solution nowhere.py: No such file"),
        (("--solution", "test_other.py"), "no exercise in it"),
        (("--solution", "my_work.py", "--solution-variant", "ada"), "set TINYLM_SECRET"),
    ],
)
def test_bad_input_is_a_usage_error(folder, arguments, says):
    ran = pytests(folder, *arguments, TINYLM_SECRET="")
    assert ran.returncode == pytest.ExitCode.USAGE_ERROR
    assert says in ran.stderr
    assert "Traceback" not in ran.stderr


def test_without_the_option_nothing_is_loaded_and_nothing_changes(folder):
    (folder / "conftest.py").unlink()
    (folder / "test_other.py").write_text(
        "import sys\n\ndef test_other():\n    assert not {'tinylm', 'tokenizer', 'numpy'} & set(sys.modules)\n"
    )
    for plugin in (True, False):
        ran = pytests(folder, "-q", plugin=plugin)
        assert (ran.returncode, "1 passed" in ran.stdout) == (0, True), ran.stdout + ran.stderr


def test_the_package_registers_the_light_module():
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert "pytest_tinylm" in project["project"]["entry-points"]["pytest11"].values()
    assert "pytest_tinylm.py" in project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    assert "pytest_tinylm.py" in project["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]
