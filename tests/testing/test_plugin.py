"""The pytest plugin: nothing until it is used, and then laws as tests; each run in a process of its own."""

import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def run(folder, text, *options):
    """pytest on a file with this text, with no other plugin than ours."""
    (folder / "test_mine.py").write_text(text, "utf-8")
    command = [sys.executable, "-m", "pytest", "-p", "pytest_tinylm_laws", "-p", "no:cacheprovider", *options, "."]
    surroundings = {
        "PYTHONPATH": str(ROOT),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PATH": "",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    return subprocess.run(command, cwd=folder, env=surroundings, capture_output=True, text=True, timeout=120)


SOFTMAX = """
import numpy as np
import pytest

def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)

def naive(x):
    return np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True)
"""


def test_it_imports_nothing_but_pytest():
    program = (
        "import sys, pytest; before = set(sys.modules); import pytest_tinylm_laws\n"
        "print(sorted(set(sys.modules) - before))"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "['pytest_tinylm_laws']"


def test_a_run_that_does_not_use_it_loads_nothing_of_ours(tmp_path):
    text = "import sys\n\ndef test_clean():\n    assert not {'tinylm', 'numpy', 'hypothesis'} & set(sys.modules)\n"
    done = run(tmp_path, text, "-W", "error", "--strict-markers", "-q")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_marked_test_runs_once_for_each_law_of_its_topics(tmp_path):
    text = SOFTMAX + (
        "\n@pytest.mark.laws('softmax', 'rows')\ndef test_it(law, law_holds):\n    law_holds(law, softmax, tries=20)\n"
    )
    done = run(tmp_path, text, "-W", "error", "--strict-markers", "-v")
    assert done.returncode == 0, done.stdout + done.stderr
    for name in ("softmax_sums_to_one", "softmax_ignores_shifts", "softmax_keeps_order", "rows_do_not_see_each_other"):
        assert f"test_it[{name}] PASSED" in done.stdout


def test_a_law_that_does_not_hold_fails_with_its_smallest_counterexample(tmp_path):
    text = SOFTMAX + "\ndef test_it(law_holds):\n    law_holds('softmax_sums_to_one', naive)\n"
    done = run(tmp_path, text, "-q")
    assert done.returncode == 1
    assert "LawBroken: softmax_sums_to_one does not hold: Probabilities lie from 0 to 1" in done.stdout
    assert "x=np.array([[" in done.stdout
    assert "10000.0" in done.stdout


def test_a_law_that_does_not_apply_is_skipped_and_says_why(tmp_path):
    text = (
        "def test_it(law_holds, law_adapters):\n"
        "    coder = law_adapters.minbpe_coder(type('T', (), {'encode': list, 'decode': ''.join})())\n"
        "    law_holds('text_survives_a_round_trip', coder)\n"
        "    law_holds('bytes_survive_a_round_trip', coder)\n"
    )
    done = run(tmp_path, text, "-rs", "-W", "error")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "bytes_survive_a_round_trip needs .encode_bytes and .decode_bytes of T, which has none" in done.stdout


def test_an_unknown_topic_or_law_is_named(tmp_path):
    text = "import pytest\n@pytest.mark.laws('softmaxx')\ndef test_it(law): pass\n"
    assert "no laws of 'softmaxx'; there are laws of" in run(tmp_path, text).stdout
    text = "def test_it(law_holds): law_holds('no_such_law', None)\n"
    assert "there is no law 'no_such_law'" in run(tmp_path, text).stdout


def test_the_name_of_a_topic_or_a_module_is_no_law_and_says_what_is(tmp_path):
    names = ("training", "softmax", "coding", "softmax_sum_to_one")
    text = "".join(f"def test_{name}(law_holds): law_holds({name!r}, abs)\n" for name in names)
    said = run(tmp_path, text + "def test_none(law_holds): law_holds(abs, abs)\n").stdout
    assert "there is no law 'training'; 'training' is a topic, of the laws accumulation_equals_one_batch," in said
    assert "there is no law 'softmax'; 'softmax' is a topic, of the laws softmax_sums_to_one," in said
    assert "there is no law 'coding'; there are laws of tokenizer training," in said
    assert "there is no law 'softmax_sum_to_one'; did you mean softmax_sums_to_one" in said
    assert "law_holds: the first argument is a law or its name, got <built-in function abs>" in said
    assert "5 failed" in said
    assert "has no attribute" not in said


def test_a_mark_without_topics_by_position_says_how_to_write_it(tmp_path):
    for given in ("()", "(topic='softmax')", "('softmax', tries=3)", "(['softmax'])"):
        text = f"import pytest\n@pytest.mark.laws{given}\ndef test_it(law): pass\n"
        done = run(tmp_path, text)
        assert f"test_mine.py::test_it: @pytest.mark.laws{given}: name the topics" in done.stdout, done.stdout
        assert "@pytest.mark.laws('softmax')" in done.stdout
        assert "fixture 'law' not found" not in done.stdout
        assert "Traceback" not in done.stdout
        assert done.returncode == 2  # interrupted, as pytest calls what it cannot collect


def test_a_topic_that_is_marked_twice_is_tried_once(tmp_path):
    text = (
        "import pytest\n@pytest.mark.laws('softmax')\nclass TestMine:\n"
        "    @pytest.mark.laws('softmax')\n    def test_it(self, law): pass\n"
    )
    assert "3 passed" in run(tmp_path, text, "-W", "error").stdout


def test_the_fixtures_are_listed_with_what_they_do(tmp_path):
    done = run(tmp_path, "", "--fixtures")
    assert "law_holds" in done.stdout
    assert "law_adapters" in done.stdout
    assert "laws(topic, ...)" in run(tmp_path, "", "--markers").stdout


def test_the_project_offers_it_to_pytest():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert "pytest_tinylm_laws" in project["project"]["entry-points"]["pytest11"].values()
    targets = project["tool"]["hatch"]["build"]["targets"]
    assert "pytest_tinylm_laws.py" in targets["wheel"]["force-include"]
    assert "pytest_tinylm_laws.py" in targets["sdist"]["include"]
