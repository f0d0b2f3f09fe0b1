"""What the README shows is what happens."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from tinylm import GPT, GPTConfig, GradientMismatch, save
from tinylm.cli.main import parser
from tinylm.testing import LawBroken
from tokenizer import train_bpe

README = (Path(__file__).resolve().parents[1] / "README.md").read_text("utf-8")
LEARN, WRONG, TRACE, MODELS, LAWS, TOKENS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def test_the_first_example_runs_and_prints_steps(capsys):
    exec(compile(LEARN, "README.md", "exec"), {"__name__": "readme"})
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5
    assert lines[0].startswith("<forward wte: embedding (265, 32), (1, ")


def test_the_wrong_derivative_is_found_as_the_readme_says():
    names = {"__name__": "readme"}
    exec(compile(LEARN, "README.md", "exec"), names)
    with pytest.raises(GradientMismatch) as found:
        exec(compile(WRONG, "README.md", "exec"), names)
    assert str(found.value) in README


def test_the_example_of_the_trace_goes_on_from_the_first(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "readme"}
    exec(compile(LEARN, "README.md", "exec"), names)
    exec(compile(TRACE, "README.md", "exec"), names)
    shown = capsys.readouterr().out
    assert "h.0.attn: causal_attention" in shown
    assert "the gradient" in shown
    assert "ln p" in shown


def test_the_example_of_models_runs_on_a_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    letters = "The list of names. " + "abcdefghijklmnopqrstuvwxyz. " * 3
    tok = train_bpe([letters], 262, special_tokens=("<|endoftext|>",))
    save(tmp_path / "run", GPT(GPTConfig(tok.vocab_size, 64, 1, 2, 16), seed=3), tok)
    names = {"__name__": "readme"}
    exec(compile(MODELS, "README.md", "exec"), names)
    made = tok.decode([i for i in names["text"] if i not in names["found"].stops])
    assert re.match(r" ?[a-z]+( [a-z]*){0,3}", made)
    assert len(names["best"]) == 2
    assert "ids are allowed" in capsys.readouterr().out


def test_the_law_is_broken_as_the_readme_says():
    with pytest.raises(LawBroken) as found, np.errstate(all="ignore"):
        exec(compile(LAWS, "README.md", "exec"), {"__name__": "readme"})
    first, inputs, *_ = str(found.value).splitlines()
    assert first.startswith(re.search(r"# LawBroken: (.*), \.\.\.", README).group(1))
    assert f"# {inputs}" in README


def test_the_example_of_the_tokenizer_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(compile(TOKENS, "README.md", "exec"), {"__name__": "readme"})
    assert (tmp_path / "tokenizer.json").exists()


@pytest.mark.parametrize("line", re.findall(r"^    (tinylm .*)$", README, re.MULTILINE))
def test_every_command_line_of_the_readme_is_one(line):
    command = re.split(r"  +#| > ", line)[0]  # what comes after > is the shell's
    parser().parse_args(shlex.split(command)[1:])


def test_the_two_commands_are_there():
    assert "pip install . && tinylm train" in README
    assert "pip install '.[test]' && pytest" in README
