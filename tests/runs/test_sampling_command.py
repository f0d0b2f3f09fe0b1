"""`tinylm sample` with several texts at once: each is what one command alone would show."""

import pytest

import tinylm
from tests.runs.small_run import SHAPE, TEXT
from tinylm.cli import main
from tinylm.prepare import new_model, new_tokenizer


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A folder with a model that was never trained."""
    folder, tokenizer = tmp_path_factory.mktemp("saved") / "run", new_tokenizer([TEXT], vocab_size=280)
    tinylm.save(folder, new_model(SHAPE, tokenizer, 3), tokenizer)
    return folder


@pytest.fixture
def shown(capsys, saved):
    """What a command with these flags shows."""

    def run(*flags):
        assert main(["sample", str(saved), "--max-new-tokens", "12", *map(str, flags)]) == 0
        return capsys.readouterr().out

    return run


def test_several_prompts_and_samples_are_shown_in_order(shown):
    found = shown("--prompt", "the dog", "--prompt", "a", "--samples", 5, "--seed", 7)  # more than are made at once
    alone = [shown("--prompt", prompt, "--seed", 7 + i) for i, prompt in enumerate(["the dog"] * 5 + ["a"] * 5)]
    assert found == "".join(f"--- {i + 1} ---\n{text}" for i, text in enumerate(alone))
    assert len(set(alone)) == 10


def test_several_prompts_can_be_ids_and_greedy(shown):
    found = shown("--prompt-ids", "97 98", "--prompt-ids", 99, "--greedy")
    first, second = shown("--prompt-ids", "97 98", "--greedy"), shown("--prompt-ids", 99, "--greedy")
    assert found == f"--- 1 ---\n{first}--- 2 ---\n{second}"


def test_the_first_text_is_shown_while_all_are_made(saved, monkeypatch):
    happened = []
    true = tinylm.GPT.hidden
    monkeypatch.setattr("tinylm.cli.sample._show", happened.append)
    monkeypatch.setattr(tinylm.GPT, "hidden", lambda *a, **k: (happened.append(None), true(*a, **k))[1])
    assert main(["sample", str(saved), "--max-new-tokens", "6", "--samples", "3", "--prompt", "the dog"]) == 0
    assert happened.count(None) == 6
    assert happened[:3] == ["the dog", None, happened[2]], "a token after the first pass"
    assert happened[3] is None


@pytest.mark.parametrize("flags", [["--prompt", "a", "--prompt", TEXT], ["--prompt-ids", "1", "--prompt-ids", "999"]])
def test_a_wrong_prompt_is_told_before_any_text(flags, saved, capsys):
    assert main(["sample", str(saved), "--samples", "8", *flags]) == 2
    assert capsys.readouterr().out == ""
