"""A notebook that was run and saved becomes again what is kept, and nothing of what was written is lost."""

import json

import pytest

from tinylm.course.tidy import main, tidied

RUN = {
    "cells": [
        {"cell_type": "markdown", "metadata": {"tags": ["x"]}, "source": "# Ü\n\ntext  \n\n", "id": "a"},
        {
            "cell_type": "code",
            "execution_count": 7,
            "id": "a",
            "metadata": {"collapsed": True},
            "outputs": [{"output_type": "stream", "name": "stdout", "text": "hi"}],
            "source": ["x = 1\n", "x"],
        },
        {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": [], "source": " \n"},
    ],
    "metadata": {"kernelspec": {"name": "my-env"}, "widgets": {"state": {}}},
    "nbformat": 4,
    "nbformat_minor": 2,
}


def test_outputs_counts_and_marks_of_a_machine_go_and_sources_stay():
    text = tidied(json.dumps(RUN))
    book = json.loads(text)
    assert [cell["source"] for cell in book["cells"]] == [["# Ü\n", "\n", "text"], ["x = 1\n", "x"]]
    assert [cell["id"] for cell in book["cells"]] == ["a", "a-again"]
    assert [cell["metadata"] for cell in book["cells"]] == [{}, {}]
    assert (book["cells"][1]["outputs"], book["cells"][1]["execution_count"]) == ([], None)
    assert "outputs" not in book["cells"][0]
    assert (book["nbformat"], book["nbformat_minor"]) == (4, 5)
    assert book["metadata"]["kernelspec"]["name"] == "python3"
    assert "widgets" not in book["metadata"]
    assert "# Ü" in text


def test_what_is_tidy_stays_as_it_is():
    text = tidied(json.dumps(RUN))
    assert tidied(text) == text


def test_files_are_written_only_where_something_changes(tmp_path, capsys):
    run, tidy, other = tmp_path / "run.ipynb", tmp_path / "tidy.ipynb", tmp_path / "other.ipynb"
    run.write_text(json.dumps(RUN), "utf-8")
    tidy.write_text(tidied(json.dumps(RUN)), "utf-8")
    other.write_text("{}", "utf-8")
    stamp = tidy.stat().st_mtime_ns
    assert main([str(run), str(tidy)]) == 0
    assert capsys.readouterr().out == f"{run}: tidied\n"
    assert run.read_text("utf-8") == tidy.read_text("utf-8")
    assert tidy.stat().st_mtime_ns == stamp
    assert main([str(other), str(tmp_path / "none.ipynb")]) == 1
    assert "expected a notebook of nbformat 4" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["[]", "3", '{"nbformat": 4}', '{"nbformat": 3, "cells": []}'])
def test_what_is_no_notebook_is_refused(text):
    with pytest.raises(ValueError, match="expected a notebook of nbformat 4"):
        tidied(text)
