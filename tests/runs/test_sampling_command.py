"""`tinylm sample`: several texts at once, each what one command alone would show; how texts end, and what is told."""

import json
import re

import numpy as np
import pytest

import tinylm
from tests.runs.small_run import SHAPE, TEXT
from tinylm.cli import main
from tinylm.prepare import new_model, new_tokenizer
from tinylm.sample import completions, generate


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


@pytest.fixture
def told(capsys, saved):
    """What a command with these flags tells: standard output as lines of JSON, and standard error."""

    def run(*flags):
        assert main(["sample", str(saved), "--seed", "3", "--json", *map(str, flags)]) == 0
        out, err = capsys.readouterr()
        return [json.loads(line) for line in out.splitlines()], err

    return run


def test_json_is_a_line_for_each_text_with_what_completions_gives(saved, told):
    model, tokenizer = tinylm.load(saved)
    flags = ["--prompt", "the dog", "--prompt", "a", "--samples", 2, "--max-new-tokens", 6, "--temperature", 1.5]
    found, _ = told(*flags, "--logprobs", 2)
    choice = tinylm.choose.Choice(1.5)
    made = list(completions(model, tokenizer, ["the dog", "a"], 6, n=2, choice=choice, seed=3, logprobs=2, stop=[279]))
    assert len(found) == 4
    for line, each in zip(found, made, strict=True):
        assert line["prompt"] == ["the dog", "a"][each.prompt]
        assert line["prompt_ids"] == tokenizer.encode(line["prompt"])
        assert (line["text"], tuple(line["ids"]), line["finish_reason"]) == (each.text, each.ids, each.finish_reason)
        assert line["logprobs"] == pytest.approx(each.logprobs, abs=1e-5)  # float32, summed in batches of another size
        assert [[a["id"] for a in top] for top in line["top"]] == [[a.id for a in top] for top in each.top]
        assert line["mean_logprob"] == pytest.approx(each.mean_logprob, abs=1e-5)
    assert "logprobs" not in told(*flags)[0][0]


def test_the_best_of_several_are_shown(told):
    flags = ["--prompt", "the dog", "--max-new-tokens", 5]
    drawn = sorted(told(*flags, "--samples", 6)[0], key=lambda line: -line["mean_logprob"])
    best = told(*flags, "--samples", 2, "--best-of", 6)[0]
    assert [line["ids"] for line in best] == [line["ids"] for line in drawn[:2]]


def test_a_stop_text_is_not_shown_and_nothing_after_it(shown):
    whole = shown("--prompt", "the dog", "--seed", 5)
    text = whole.removeprefix("the dog").rstrip("\n")
    stop = re.search("[ -~]+", text).group()
    assert shown("--prompt", "the dog", "--seed", 5, "--stop", stop) == f"the dog{text[: text.index(stop)]}\n"
    assert shown("--prompt", "the dog", "--seed", 5, "--stop", "the dog") == whole, "the prompt stops nothing"


def test_a_bad_word_is_never_written(told):
    flags = ["--prompt", "the", "--samples", 8, "--max-new-tokens", 30]
    free = "\n".join(line["text"] for line in told(*flags)[0])
    letters = sorted(set(re.findall("[a-z]", free)))
    assert letters
    forbidden = [word for letter in letters for word in ("--bad-word", letter)]
    assert not re.search(f"[{''.join(letters)}]", "\n".join(line["text"] for line in told(*flags, *forbidden)[0]))


def test_a_text_that_must_match_does(told):
    for line in told("--prompt", "a", "--samples", 5, "--regex", "( [a-c]{1,3}){2}", "--temperature", 2)[0]:
        assert re.fullmatch("( [a-c]{1,3}){2}", line["text"])
        assert line["finish_reason"] == "stop"


def test_penalties_and_filters_reach_the_choice(saved, told):
    model, _ = tinylm.load(saved)
    flags = ["--typical-p", 0.5, "--presence-penalty", 1.5, "--frequency-penalty", -0.5, "--repetition-penalty", 1.2]
    found, _ = told("--prompt", "a", "--max-new-tokens", 7, *flags)
    settings = {"typical_p": 0.5, "presence_penalty": 1.5, "frequency_penalty": -0.5, "repetition_penalty": 1.2}
    assert found[0]["ids"] == list(generate(model, [97], 7, 0.8, seed=3, stop=[279], **settings))


def test_a_window_that_slides_is_told_once_and_only_then(told, saved, capsys):
    flags = ["--prompt", "a", "--samples", 3]
    lines, err = told(*flags, "--max-new-tokens", 9)
    assert err.count("outgrew the model's context of 8 tokens") == 1
    assert [line["finish_reason"] for line in lines] == ["length"] * 3
    assert told(*flags, "--max-new-tokens", 8)[1] == ""
    lines, err = told(*flags, "--max-new-tokens", 20, "--overflow", "stop")
    assert err == ""
    assert {line["finish_reason"] for line in lines} == {"context"}
    assert {len(line["ids"]) for line in lines} == {8}
    assert main(["sample", str(saved), "--prompt", "a", "--max-new-tokens", "9", "--overflow", "error"]) == 2
    assert "a prompt of 1 tokens and 9 new ones do not fit the model's context of 8" in capsys.readouterr().err


def test_logprobs_are_a_table_below_the_text(shown):
    lines = shown("--prompt", "a", "--greedy", "--logprobs", 2).splitlines()
    table = lines[-14:]
    assert table[0].split() == ["token", "ln", "p", "p", "most", "likely"]
    for line in table[1:-1]:
        token, logprob, p, likeliest, its = line.split()[:5]
        assert (token, p) == (likeliest, its), "greedy takes the likeliest"
        assert float(p.rstrip("%")) == pytest.approx(100 * np.exp(float(logprob)), abs=0.11)  # both are rounded
    assert re.fullmatch(r"mean ln p -\d\.\d{3} of 12 tokens; ended by: length", table[-1])
    assert "most likely" not in shown("--prompt", "a", "--greedy", "--logprobs", 0)


def test_exact_texts_are_those_of_the_model_in_float64(saved, told):
    model, tokenizer = tinylm.load(saved)
    made = completions(tinylm.sample.in_float64(model), tokenizer, "a", 6, n=9, seed=3, logprobs=1, stop=[279],
                       choice=tinylm.choose.Choice(0.8), batch_size=1)  # fmt: skip
    found, _ = told("--prompt", "a", "--max-new-tokens", 6, "--samples", 9, "--exact", "--logprobs", 1)
    for line, each in zip(found, made, strict=True):
        assert line["ids"] == list(each.ids)
        assert line["logprobs"] == pytest.approx(each.logprobs, abs=1e-13)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--best-of", "2", "--samples", "3"], "--best-of must be --samples, 3, or more; got 2"),
        (["--greedy", "--best-of", "2"], "--greedy takes the most likely"),
        (["--greedy", "--typical-p", "0.5"], "--greedy takes the most likely"),
        (["--typical-p", "0"], "typical_p must be above 0"),
        (["--presence-penalty", "9"], "presence_penalty must be from -2 to 2"),
        (["--stop", ""], "a stop string must be a text of one character or more"),
        (["--bad-word", ""], "a bad word must not be empty"),
        (["--logprobs", "-1"], "logprobs is how many alternatives"),
        (["--regex", "(a"], "regular expression"),
        (["--exact", "--keep-quantised"], "leave one of them out"),
    ],
)
def test_flags_out_of_range_are_refused_in_one_line(flags, message, saved, capsys):
    assert main(["sample", str(saved), *flags]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert err.count("\n") == 1


def test_a_pattern_for_a_model_without_an_end_is_refused(tmp_path, capsys):
    tokenizer = new_tokenizer([TEXT], kind="char")
    tinylm.save(tmp_path / "char", new_model(SHAPE, tokenizer, 3), tokenizer)
    assert main(["sample", str(tmp_path / "char"), "--regex", "a"]) == 2
    assert "no token that ends a text" in capsys.readouterr().err


def test_beams_show_the_likeliest_texts_the_best_first(saved, shown):
    found = shown("--prompt", "the dog", "--beams", 3, "--samples", 2, "--max-new-tokens", 6)
    heads = re.findall(r"^--- ln p (-[0-9.]+), score (-[0-9.]+) ---\nthe dog", found, re.MULTILINE)
    assert len(heads) == 2
    assert float(heads[0][1]) >= float(heads[1][1])
    lines = shown("--prompt", "the dog", "--beams", 3, "--samples", 2, "--max-new-tokens", 6, "--json").splitlines()
    model, tokenizer = tinylm.load(saved)
    for line, (logprob, score) in zip(map(json.loads, lines), heads, strict=True):
        ids = [*line["prompt_ids"], *line["ids"]]
        assert tokenizer.decode(line["prompt_ids"]) == "the dog"
        with tinylm.no_grad():
            p = tinylm.functional.log_softmax(model.eval()([ids[:-1]])[0]).numpy()[0]
        told = sum(p[place - 1, ids[place]] for place in range(len(line["prompt_ids"]), len(ids)))
        assert line["logprob"] == pytest.approx(told, abs=1e-4)
        assert (float(logprob), float(score)) == pytest.approx((line["logprob"], line["score"]), abs=1e-3)
        assert line["score"] == pytest.approx(line["logprob"] / len(line["ids"]))


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--beams", "4", "--top-k", "3"], "leave out --top-k"),
        (["--beams", "4", "--greedy"], "leave out --greedy"),
        (["--beams", "4", "--repetition-penalty", "2"], "leave out --repetition-penalty"),
        (["--beams", "2", "--samples", "3"], "--beams must be --samples, 3, or more"),
        (["--length-penalty", "2"], "--length-penalty belongs to --beams"),
    ],
)
def test_flags_that_draw_do_not_go_with_beams(flags, message, saved, capsys):
    assert main(["sample", str(saved), *flags]) == 2
    assert message in capsys.readouterr().err
