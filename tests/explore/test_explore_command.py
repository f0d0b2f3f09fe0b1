"""`tinylm explore`: the file it writes, and what it says to input that makes no sense."""

import json
import os
import re

import numpy as np
import pytest

from tests.runs.small_run import create
from tinylm import load, save
from tinylm.cli import main


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("explore") / "my run"
    create(folder)
    return folder


def document(path):
    return json.loads(re.search(r'id="data">([^<]*)</script>', path.read_text("utf-8"))[1])


def test_the_command_writes_one_page(run, tmp_path, capsys):
    out = tmp_path / "page.html"
    assert main(["explore", str(run), "--prompt", "the quick", "-o", str(out), "--seed", "3"]) == 0
    assert capsys.readouterr().out.startswith(f"{out}: 0.")
    found, (_, tokenizer) = document(out), load(run)
    assert [file.name for file in tmp_path.iterdir()] == ["page.html"]
    assert found["name"] == "my run"
    assert found["prompt"]["ids"] == tokenizer.encode("the quick")
    assert found["draws"]["seed"] == 3
    tokens = np.load(run / "train.npy")
    assert (
        found["training"]["ids"] == tokens[:9].tolist()
    )  # the text begins so; the context holds 8, and one to predict
    assert found["training"]["lr"] == 2e-3


def test_the_text_of_the_training_step_can_be_given(run, tmp_path):
    out = tmp_path / "page.html"
    assert main(["explore", str(run), "--text", "lazy dog", "-o", str(out)]) == 0
    found, (_, tokenizer) = document(out), load(run)
    assert found["training"]["ids"] == tokenizer.encode("lazy dog")
    assert found["prompt"]["ids"] == json.loads((run / "config.json").read_text())["start"]


def test_a_model_without_its_training_text_is_explored_with_the_usual_settings(run, tmp_path):
    save(tmp_path / "saved", *load(run))
    out = tmp_path / "page.html"
    assert main(["explore", str(tmp_path / "saved"), "--prompt", "the lazy", "-o", str(out)]) == 0
    assert document(out)["training"]["ids"] == document(out)["prompt"]["ids"]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--text", "t"], "at least 2 tokens, got 1; give a longer text"),
        (["--text", "the quick brown fox jumps over the lazy dog"], "context takes 9: shorten it"),
        (["--seed", "-1"], "--seed must be 0 or more, got -1"),
        (["-o", "FOLDER"], "is a folder; give the name of a file"),
        (["-o", os.devnull], "is no ordinary file; give the name of one"),
    ],
)
def test_input_that_makes_no_sense_is_told_in_one_line(run, tmp_path, capsys, flags, message):
    flags = [str(tmp_path) if flag == "FOLDER" else flag for flag in flags]
    where = [] if "-o" in flags else ["-o", str(tmp_path / "page.html")]
    assert main(["explore", str(run), *flags, *where]) == 2
    told = capsys.readouterr().err
    assert message in told
    assert told.startswith("tinylm: error: ")
    assert told.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_no_run_is_told(tmp_path, capsys):
    assert main(["explore", str(tmp_path / "none")]) == 2
    assert "there is no such folder or file" in capsys.readouterr().err


def test_help_shows_examples(capsys):
    with pytest.raises(SystemExit):
        main(["explore", "--help"])
    assert 'tinylm explore run --prompt "The list"' in capsys.readouterr().out
