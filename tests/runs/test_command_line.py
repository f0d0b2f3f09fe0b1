"""The command line as a person meets it: the main job, its flags, and bad input that gives one line and status 2."""

import json
import math
import re
import shutil
import xml.etree.ElementTree as ET

import numpy as np
import pytest

import tinylm
from tinylm.cli import doctor, main
from tinylm.corpus import TextError, builtin_documents
from tinylm.runs import Run
from tokenizer import CharTokenizer

WORDS = "the cat sat on the mat, and the dog lay on the rug. it was a fine day; nobody spoke. "
TEXT = "".join(WORDS[i % 7 :] for i in range(60))
SMALL = "--n-layer 1 --n-head 2 --n-embd 16 --block-size 16 --batch-size 2 --steps 6 --eval-every 3 --warmup 2".split()
SMALL += "--sample-every 6 --eval-tokens 100".split()


def run(capsys, *arguments) -> tuple[int, str, str]:
    """Exit status, standard output and standard error of one command."""
    try:
        status = main([str(a) for a in arguments])
    except SystemExit as exit_:  # argparse leaves this way
        status = exit_.code
    output = capsys.readouterr()
    return status, output.out, output.err


def refused(capsys, *arguments) -> str:
    """The one line that a command with bad input ends with."""
    status, out, err = run(capsys, *arguments)
    assert status == 2, (status, out, err)
    assert err.startswith("tinylm: error: "), err
    assert err.count("\n") == 1, err
    return err


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Every command runs in an empty directory that holds one text."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.txt").write_text(TEXT)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run folder that nobody changes."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "a.txt").write_text(TEXT)
    assert main(["train", str(folder / "a.txt"), "--out", str(folder / "run"), "--vocab-size", "280", *SMALL]) == 0
    return folder / "run"


# -- train -----------------------------------------------------------------------------------------------


def test_training_leaves_a_run_folder_and_plain_lines(capsys, tmp_path):
    status, out, _ = run(capsys, "train", "a.txt", "--out", "run", "--vocab-size", 280, *SMALL)
    assert status == 0
    names = {p.name for p in (tmp_path / "run").iterdir()}
    assert {
        "config.json",
        "tokenizer.json",
        "model.safetensors",
        "training.safetensors",
        "log.jsonl",
        "loss.svg",
    } <= names
    assert re.search(r"step +3/6  loss: train \d\.\d{4}  validation \d\.\d{4}  [\d,]+ tokens/s  \d+ s left", out)
    assert "--- sample after step 6 ---" in out
    assert "\r" not in out, "no progress bar in a pipe"
    log = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert [e["step"] for e in log if "loss" in e] == [1, 2, 3, 4, 5, 6]
    picture = ET.parse(tmp_path / "run" / "loss.svg").getroot()  # it is well-formed
    assert {t.text.split()[0] for t in picture.iter("{http://www.w3.org/2000/svg}text") if t.text} >= {"batch", "train"}


def test_the_default_text_is_what_python_carries():
    documents = builtin_documents()
    assert sum(map(len, documents)) > 300_000
    assert documents == builtin_documents()


def test_training_takes_the_default_text_when_no_file_is_given(capsys):
    status, out, _ = run(capsys, "train", *SMALL, "--steps", 2, "--vocab-size", 300)
    assert status == 0
    assert "run: " in out


def test_the_default_folder_is_numbered_when_taken(capsys, tmp_path):
    for _ in range(2):
        assert run(capsys, "train", "a.txt", *SMALL, "--vocab-size", 270)[0] == 0
    assert (tmp_path / "run" / "config.json").exists()
    assert (tmp_path / "run-2" / "config.json").exists()


def test_a_short_text_gets_a_smaller_vocabulary_by_itself(capsys, tmp_path):
    (tmp_path / "tiny.txt").write_text("abcabcabc " * 40)
    assert run(capsys, "train", "tiny.txt", *SMALL)[0] == 0
    assert tinylm.load("run")[1].vocab_size < 300


def test_characters_as_tokens(capsys):
    assert run(capsys, "train", "a.txt", "--char", *SMALL)[0] == 0
    model, tokenizer = tinylm.load("run")
    assert tokenizer == CharTokenizer(TEXT)
    assert model.config.vocab_size == len(set(TEXT))


def test_flags_and_config_files_set_model_and_schedule(capsys, tmp_path):
    config = {
        "model": {"n_layer": 2, "n_embd": 8, "norm": "rms"},
        "training": {"steps": 4, "lr": 0.01},
        "tokenizer": {"vocab_size": 265},
    }
    (tmp_path / "c.json").write_text(json.dumps(config))
    flags = "--block-size 8 --n-head 2 --lr 0.02 --batch-size 2 --eval-tokens 50 --position rope --bias".split()
    assert run(capsys, "train", "a.txt", "--config", "c.json", *flags)[0] == 0
    made = json.loads((tmp_path / "run" / "config.json").read_text())
    assert made["model"]["n_layer"] == 2
    assert made["model"]["norm"] == "rms"
    assert made["model"]["position"] == "rope"
    assert made["model"]["bias"] is True
    assert made["model"]["vocab_size"] == 265
    assert (made["training"]["steps"], made["training"]["lr"]) == (4, 0.02)  # a flag is stronger than the file


def test_a_runs_own_config_makes_the_same_run_again(capsys, trained):
    flags = ["train", trained.parent / "a.txt", "--config", trained / "config.json", "--out", "again"]
    assert run(capsys, *flags)[0] == 0
    one, two = ((f / "model.safetensors").read_bytes() for f in (trained, trained.__class__("again")))
    assert one == two


def test_fine_tuning_starts_from_the_weights_and_the_tokenizer_of_the_other_run(capsys, trained, tmp_path):
    (tmp_path / "other.txt").write_text(TEXT[::-1])
    flags = ["--steps", 2, "--batch-size", 2, "--lr", "0", "--dropout", 0.1]
    assert run(capsys, "train", "other.txt", "--init-from", trained, "--out", "tuned", *flags)[0] == 0
    before, after = tinylm.load(trained), tinylm.load("tuned")
    assert before[1] == after[1]
    assert after[0].config.dropout == 0.1
    pairs = zip(before[0].state_dict().values(), after[0].state_dict().values(), strict=True)
    assert all(np.array_equal(a, b) for a, b in pairs)  # at a learning rate of 0 nothing moves


def test_resuming_with_more_steps_goes_on(capsys, trained, tmp_path):
    shutil.copytree(trained, tmp_path / "copy")
    status, out, _ = run(capsys, "train", "--resume", "copy", "--steps", 9)
    assert status == 0
    assert "going on after step 6" in out
    assert Run.resume("copy").step == 9


def test_a_finished_run_has_nothing_to_resume_and_says_so(capsys, trained, tmp_path):
    shutil.copytree(trained, tmp_path / "copy")
    status, out, _ = run(capsys, "train", "--resume", "copy")
    assert status == 0
    assert "--steps" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.txt"], "missing.txt: no such file"),
        (["empty.txt"], "empty.txt: the file is empty"),
        (["binary.txt"], r"binary.txt: a binary file \(NUL at byte 2\)"),
        (["latin1.txt"], "latin1.txt: not UTF-8 at byte 3"),
        (["."], "directory"),
        (["short.txt"], "too few for a block of 128"),
        (["a.txt", "--vocab-size", "256"], "at least 257"),
        (["a.txt", "--vocab-size", "100000"], "runs out of pairs"),
        (["a.txt", "--pattern", "("], "pattern"),
        (["a.txt", "--tie-break", "coin"], "coin"),
        (["a.txt", "--n-embd", "30"], "n_embd 30 is not divisible by n_head 4"),
        (["a.txt", "--position", "sideways"], "position must be one of"),
        (["a.txt", "--dropout", "1.5"], "dropout must be below 1"),
        (["a.txt", "--steps", "0"], "steps must be a whole number from 1 up"),
        (["a.txt", "--lr", "nan"], "lr must be a number"),
        (["a.txt", "--lr", "1e-5", "--min-lr", "1e-4"], "min_lr 0.0001 is above lr"),
        (["a.txt", "--seed", "-1"], "seed must be"),
        (["a.txt", "--char", "--vocab-size", "300"], "--char takes every character"),
        (["a.txt", "--config", "no.json"], "no.json: no such file"),
        (["a.txt", "--config", "a.txt"], "a.txt: not JSON"),
        (["a.txt", "--config", "list.json"], "expected a JSON object"),
        (["a.txt", "--config", "odd.json"], "unknown entry colour"),
        (["a.txt", "--config", "odd2.json"], "unknown model setting depth"),
        (["a.txt", "--config", "odd3.json"], "unknown training setting speed"),
        (["a.txt", "--config", "odd4.json"], "must be a number"),
        (["a.txt", "--config", "odd5.json"], "tokenizer vocab_size must be of type int"),
        (["a.txt", "--config", "odd6.json"], "--char takes every character"),
        (["a.txt", "--init-from", "nowhere"], "nowhere: there is no such folder or file"),
        (["--resume", "nowhere"], "nowhere: no such run folder"),
        (["a.txt", "--resume", "nowhere"], "leave out the others"),
    ],
)  # fmt: skip
def test_bad_input_to_training_gives_one_line_and_status_2(arguments, message, capsys, tmp_path):
    (tmp_path / "empty.txt").write_bytes(b"")
    (tmp_path / "binary.txt").write_bytes(b"ab\0cd")
    (tmp_path / "latin1.txt").write_bytes("caf\xe9 au lait".encode("latin1"))
    (tmp_path / "short.txt").write_text("too short, by far")
    (tmp_path / "list.json").write_text("[1]")
    (tmp_path / "odd.json").write_text('{"colour": "red"}')
    (tmp_path / "odd2.json").write_text('{"model": {"depth": 3}}')
    (tmp_path / "odd3.json").write_text('{"training": {"speed": 3}}')
    (tmp_path / "odd4.json").write_text('{"training": {"lr": "fast"}}')
    (tmp_path / "odd5.json").write_text('{"tokenizer": {"vocab_size": "abc"}}')
    (tmp_path / "odd6.json").write_text('{"tokenizer": {"char": true, "vocab_size": 500}}')
    assert re.search(message, refused(capsys, "train", *arguments))
    assert not [p for p in tmp_path.iterdir() if p.is_dir()], "nothing is left behind"


def test_an_explicit_folder_that_holds_a_run_is_not_overwritten(capsys, trained):
    before = (trained / "model.safetensors").read_bytes()
    assert "holds a run already" in refused(capsys, "train", "a.txt", "--out", trained)
    assert (trained / "model.safetensors").read_bytes() == before


@pytest.mark.parametrize(
    "flag", ["--n-layer 2", "--n-embd 32", "--vocab-size 300", "--dtype float64", "--no-tie-weights"]
)
@pytest.mark.parametrize("how", ["--resume", "--init-from"])
def test_a_flag_that_contradicts_the_checkpoint_is_refused(how, flag, capsys, trained):
    files = ["a.txt"] if how == "--init-from" else []
    assert f"contradicts {trained}" in refused(capsys, "train", *files, how, trained, *flag.split())


@pytest.mark.parametrize("flag", ["--weight-decay 0.5", "--batch-size 3", "--seed 2", "--warmup 9"])
def test_what_would_undo_the_past_cannot_change_on_resume(flag, capsys, trained):
    assert "contradicts" in refused(capsys, "train", "--resume", trained, *flag.split())


def test_fewer_steps_than_were_made_is_refused(capsys, trained):
    assert "has 6 steps behind it" in refused(capsys, "train", "--resume", trained, "--steps", 3)


def test_a_damaged_checkpoint_is_refused(capsys, trained, tmp_path):
    shutil.copytree(trained, tmp_path / "copy")
    whole = (tmp_path / "copy" / "training.safetensors").read_bytes()
    (tmp_path / "copy" / "training.safetensors").write_bytes(whole[: len(whole) // 2])
    assert "training.safetensors" in refused(capsys, "train", "--resume", "copy")


def test_an_explicit_folder_with_other_files_is_left_alone(capsys, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "log.jsonl").write_text("precious")
    assert "not an empty folder" in refused(capsys, "train", "a.txt", "--out", "mine")
    assert (tmp_path / "mine" / "log.jsonl").read_text() == "precious"
    assert [p.name for p in (tmp_path / "mine").iterdir()] == ["log.jsonl"]


@pytest.mark.parametrize(
    "tokens", [["--char"], ["--pattern", "gpt4", "--tie-break", "first_seen", "--vocab-size", "275"]]
)
def test_a_runs_config_trains_the_same_kind_of_tokenizer(tokens, capsys, tmp_path):
    assert run(capsys, "train", "a.txt", "--out", "one", *tokens, *SMALL)[0] == 0
    assert run(capsys, "train", "a.txt", "--out", "two", "--config", "one/config.json")[0] == 0
    assert tinylm.load("one")[1] == tinylm.load("two")[1]
    assert (tmp_path / "one" / "model.safetensors").read_bytes() == (
        tmp_path / "two" / "model.safetensors"
    ).read_bytes()


def test_a_precision_in_the_config_that_contradicts_the_checkpoint_is_refused(capsys, trained, tmp_path):
    (tmp_path / "c.json").write_text('{"dtype": "float64"}')
    assert "contradicts" in refused(capsys, "train", "a.txt", "--init-from", trained, "--config", "c.json")


@pytest.mark.parametrize("tokens", [np.full(300, 9999, np.uint16), np.zeros(4, np.uint16), np.zeros(2000, np.uint16)])
def test_tokens_that_are_not_the_runs_own_are_refused(tokens, capsys, trained, tmp_path):
    shutil.copytree(trained, tmp_path / "copy")
    np.save(tmp_path / "copy" / "train.npy", tokens)
    assert "not what this run was trained on" in refused(capsys, "train", "--resume", "copy", "--steps", 9)


def test_a_run_that_diverges_says_so_and_keeps_its_checkpoint(capsys):
    flags = [*SMALL, "--lr", "1e9", "--clip", "1e30", "--warmup", 0, "--steps", 50]
    status, _, message = run(capsys, "train", "a.txt", *flags)
    assert status == 2
    assert message.startswith("tinylm: error: ")
    assert "tinylm train --resume run --lr 0.002" in message
    assert Run.resume("run").step == 0


def test_what_does_not_fit_into_memory_is_told_in_one_line(capsys):
    assert "does not fit into memory" in refused(capsys, "train", "a.txt", *SMALL, "--n-embd", 2**40, "--n-head", 1)


# -- sample ------------------------------------------------------------------------------------------------


def test_sampling_streams_the_prompt_and_what_follows(capsys, trained):
    flags = ["--prompt", "the cat", "--max-new-tokens", 12]
    flags += "--temperature 0.8 --top-k 50 --top-p 0.95 --seed 1".split()
    status, out, _ = run(capsys, "sample", trained, *flags)
    assert status == 0
    assert out.startswith("the cat")
    assert out == run(capsys, "sample", trained, *flags)[1], "the same seed gives the same text"


def test_a_text_begins_with_what_the_model_was_trained_on(capsys, tmp_path):
    for number in range(12):
        (tmp_path / f"{number}.txt").write_text(TEXT[number:])
    files = [f"{number}.txt" for number in range(12)]
    for out, texts in (("one", ["a.txt"]), ("many", files)):
        assert run(capsys, "train", *texts, *SMALL, "--vocab-size", 270, "--out", out)[0] == 0
    end = tinylm.load("many")[1].special_tokens["<|endoftext|>"]
    starts = {out: json.loads((tmp_path / out / "config.json").read_text())["start"] for out in ("one", "many")}
    tokens = np.load(tmp_path / "one" / "train.npy").tolist()
    assert end not in tokens, "one file has its one end in the part for validation"
    assert starts["many"] == [end]
    assert tokens.count(starts["one"][0]) >= 8
    shown = run(capsys, "sample", "one", "--seed", 1, "--max-new-tokens", 5)[1]
    assert shown.startswith(tinylm.load("one")[1].decode(starts["one"]))


def test_greedy_needs_no_seed(capsys, trained):
    texts = {run(capsys, "sample", trained, "--greedy", "--max-new-tokens", 12)[1] for _ in range(2)}
    assert len(texts) == 1


def test_half_characters_are_never_shown(capsys, tmp_path, monkeypatch):
    (tmp_path / "é.txt").write_text("éèêëàâäùûü€😀" * 200, encoding="utf-8")
    assert run(capsys, "train", "é.txt", *SMALL, "--vocab-size", 260)[0] == 0
    shown = []
    monkeypatch.setattr("tinylm.cli.sample._show", shown.append)
    run(capsys, "sample", "run", "--prompt-ids", 259, "--max-new-tokens", 60, "--seed", 3, "--temperature", 1.5)
    model, tokenizer = tinylm.load("run")
    ids = tinylm.sample.generate(model, [259], 60, seed=3, temperature=1.5, stop=[259])
    assert "".join(shown) == tokenizer.decode([i for i in ids if i != 259]) + "\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--prompt-ids", "1 two"], "expected whole numbers"),
        (["--prompt-ids", "5 99999"], "has id 99999; this model's vocabulary is 0 … 279"),
        (["--prompt-ids", ""], "prompt is empty"),
        (["--prompt", "x" * 100], "100 tokens, the model's context is 16"),
        (["--temperature", "-1"], "temperature must be"),
        (["--top-p", "2"], "top_p must be"),
        (["--top-k", "0"], "top_k must be"),
        (["--seed", "-4"], "--seed must be"),
        (["--greedy", "--top-k", "3"], "--greedy takes the most likely"),
        (["--max-new-tokens", "0"], "must be 1 or more"),
    ],
)
def test_bad_input_to_sampling_gives_one_line_and_status_2(arguments, message, capsys, trained):
    assert message in refused(capsys, "sample", trained, *arguments)


def test_an_unknown_character_in_a_prompt_is_refused(capsys):
    assert run(capsys, "train", "a.txt", "--char", *SMALL)[0] == 0
    assert "'Ω'" in refused(capsys, "sample", "run", "--prompt", "Ω")


def test_what_is_no_run_is_refused(capsys, tmp_path):
    assert "nowhere: there is no such folder or file" in refused(capsys, "sample", "nowhere")
    (tmp_path / "folder").mkdir()
    assert "folder: there is no config.json in it" in refused(capsys, "sample", "folder")


def test_damaged_weights_are_told_by_sampling_and_evaluation(capsys, trained, tmp_path):
    model, tokenizer = tinylm.load(trained)
    model.ln_f.weight.data[0] = math.nan
    tinylm.save(tmp_path / "nan", model, tokenizer)
    assert "logits are not finite" in refused(capsys, "sample", "nan")
    assert "the loss is nan" in refused(capsys, "eval", "nan", "a.txt")


# -- eval and doctor -----------------------------------------------------------------------------------------


def test_evaluation_gives_loss_perplexity_and_bits_per_byte(capsys, trained):
    status, out, _ = run(capsys, "eval", trained, "a.txt", "--json")
    assert status == 0
    result = json.loads(out)
    assert result["perplexity"] == pytest.approx(math.exp(result["loss"]))
    assert result["bytes"] == len(TEXT.encode())
    bits = result["loss"] / math.log(2) * result["tokens"]
    assert result["bits_per_byte"] == pytest.approx(bits / len(TEXT.encode()))
    assert result["loss"] < math.log(280)
    assert "bits per byte" in run(capsys, "eval", trained, "a.txt")[1]


def test_evaluating_a_missing_file_is_refused(capsys, trained):
    assert "none.txt: no such file" in refused(capsys, "eval", trained, "none.txt")


def test_doctor_says_what_is_installed_and_what_to_type(capsys, monkeypatch):
    monkeypatch.setattr("tinylm.cli.doctor.available", lambda name: f"{name} is not here; type: pip install it")
    status, out, _ = run(capsys, "doctor")
    assert status == 0
    assert "numpy" in out
    assert "cupy is not here; type: pip install it" in out


def test_doctor_notices_a_stranger_called_tokenizer(tmp_path):
    class Stranger:
        __file__ = str(tmp_path / "tokenizer" / "__init__.py")

    assert doctor.tokenizer_is_ours() is None
    assert "pip uninstall tokenizer" in doctor.tokenizer_is_ours(Stranger)


def test_help_shows_examples(capsys):
    for command in ([], ["train"], ["sample"], ["eval"]):
        status, out, _ = run(capsys, *command, "--help")
        assert status == 0
        assert "examples:" in out


def test_an_unknown_flag_gives_one_line_and_status_2(capsys):
    status, _, err = run(capsys, "train", "--no-such-flag")
    assert status == 2
    assert err == "tinylm: error: unrecognized arguments: --no-such-flag; see tinylm --help\n"


def test_a_python_without_the_default_text_says_what_to_do(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pydoc_data.topics", None)
    with pytest.raises(TextError, match=r"tinylm train my\.txt"):
        builtin_documents()
