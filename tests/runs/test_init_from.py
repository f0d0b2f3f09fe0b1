"""`tinylm train --init-from`: text and dialogues, all weights and adapters, shorter windows, and what is refused."""

import itertools
import json
import re

import numpy as np
import pytest

import tinylm
from tinylm import GPT, GPTConfig, checkpoint
from tinylm.cli import main
from tinylm.data import ANSWER, BEGINS, Dialogues
from tinylm.formats import load_model
from tinylm.functional import IGNORED
from tinylm.instruct import PLAIN
from tinylm.optim import SGD
from tinylm.prepare import encode_documents, new_tokenizer
from tinylm.runs import Run
from tinylm.settings import Conventions, TrainingSettings
from tinylm.train import evaluate, training

WORDS = "say hello to ann. hello, ann! say hello to bob. hello, bob! one fine day; nobody spoke. user assistant\n" * 20
FEW = "--steps 4 --batch-size 2 --eval-tokens 60 --eval-every 2 --warmup 1".split()


def run(capsys, *arguments) -> tuple[int, str, str]:
    try:
        status = main([str(a) for a in arguments])
    except SystemExit as exit_:
        status = exit_.code
    output = capsys.readouterr()
    return status, output.out, output.err


def refused(capsys, *arguments) -> str:
    status, out, err = run(capsys, *arguments)
    assert status == 2, (status, out, err)
    assert err.count("\n") == 1, err
    return err


def config_of(folder) -> dict:
    return json.loads((folder / "config.json").read_text())


def log_of(folder) -> list[dict]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Every command runs in a directory that holds a text and a file of dialogues."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.txt").write_text(WORDS)
    with open(tmp_path / "chats.jsonl", "w") as file:
        for name in ("ann", "bob", "ann", "bob", "ann", "bob"):
            question = {"role": "user", "content": f"say hello to {name}."}
            file.write(json.dumps({"messages": [question, {"role": "assistant", "content": f"hello, {name}!"}]}) + "\n")


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A run folder whose model reads further than the tests' windows."""
    folder = tmp_path_factory.mktemp("base") / "run"
    tokenizer = new_tokenizer([WORDS], vocab_size=290)
    shape = {"vocab_size": 290, "block_size": 600, "n_layer": 1, "n_head": 2, "n_embd": 16, "position": "rope"}
    checkpoint.save(folder, GPT(GPTConfig(**shape), seed=1), tokenizer)
    return folder


# -- the weighting of answers ----------------------------------------------------------------------------


def unequal() -> tuple[Dialogues, GPT]:
    """Eight dialogues of 4 to 11 tokens with 1 to 8 answer tokens, and a model."""
    rng = np.random.default_rng(0)
    tokens, marks = [], []
    for number in range(8):
        length = 4 + number
        tokens.append(rng.integers(0, 40, length))
        marks.append(np.array([BEGINS, *([0] * 2), *([ANSWER] * (length - 3))], np.uint8))
    data = Dialogues(np.concatenate(tokens), np.concatenate(marks))
    return data, GPT(GPTConfig(vocab_size=40, block_size=12, n_layer=1, n_head=2, n_embd=8), seed=2, dtype=np.float64)


def gradients(batches, accumulate: int, shards: int) -> tuple[float, int, dict[str, np.ndarray]]:
    """Loss, targets and gradients of one update, which is made with a learning rate of 0."""
    _, model = unequal()
    record = next(training(model, SGD(model.parameters(), lr=0.0), batches, accumulate=accumulate, clip_norm=None,
                           shards=shards))  # fmt: skip
    return record.loss, record.tokens, {name: p.grad.numpy().copy() for name, p in model.named_parameters()}


@pytest.mark.parametrize(("accumulate", "shards"), [(1, 1), (2, 1), (4, 1), (8, 1), (1, 2), (1, 3), (2, 4), (4, 2)])
def test_an_update_is_the_mean_over_the_answer_tokens_of_all_its_batches(accumulate, shards):
    """The oracle: every dialogue alone, without padding, its losses added up and divided by all targets."""
    data, model = unequal()
    total, count = 0.0, 0
    for number in range(8):
        x, y = data.batch([number])
        losses = tinylm.functional.softmax_cross_entropy(model(x)[0], np.maximum(y, 0), reduction="none")
        chosen = y != IGNORED
        (losses * chosen.astype(float)).sum().backward()
        total += float((losses.numpy() * chosen).sum())
        count += int(chosen.sum())
    want = {name: p.grad.numpy() / count for name, p in model.named_parameters()}
    size = 8 // accumulate
    batches = [data.batch(range(first, first + size)) for first in range(0, 8, size)]
    loss, tokens, found = gradients(batches, accumulate, shards)
    assert tokens == count == sum(range(1, 9))
    assert loss == pytest.approx(total / count, rel=1e-12)
    for name, slope in found.items():
        np.testing.assert_allclose(slope, want[name], atol=1e-13, rtol=1e-9, err_msg=name)


def test_evaluation_is_the_mean_over_all_answer_tokens_whatever_the_batch():
    data, model = unequal()
    losses = {size: evaluate(model, data, size, 12) for size in (1, 3, 8)}
    starts = [*np.flatnonzero(data.marks & BEGINS), len(data)]
    parts = [(data.tokens[a:b], data.marks[a:b]) for a, b in itertools.pairwise(starts)]
    alone = [(evaluate(model, Dialogues(*part), 1, 12), len(part[0]) - 3) for part in parts]
    want = sum(loss * count for loss, count in alone) / 36
    assert all(loss == pytest.approx(want, rel=1e-12) for loss in losses.values())


def test_what_is_ignored_has_no_say():
    """Other questions' targets and other padding give the same update, bit for bit."""
    data, _ = unequal()
    x, y = data.batch(range(8))
    _, _, want = gradients([(x, y)], 1, 1)
    other = x.copy()
    for row, n in enumerate(range(4, 12)):
        other[row, n - 1 :] = 7  # behind the text
    _, _, found = gradients([(other, y)], 1, 1)
    assert all(np.array_equal(want[name], found[name]) for name in want if name != "wte.weight")
    np.testing.assert_allclose(found["wte.weight"], want["wte.weight"], atol=1e-15)


# -- text ------------------------------------------------------------------------------------------------


def test_windows_are_shorter_than_a_long_context_and_the_model_stays_as_it_is(capsys, base, tmp_path):
    assert run(capsys, "train", "a.txt", "--init-from", base, "--out", "tuned", "--block-size", 24, *FEW)[0] == 0
    made = config_of(tmp_path / "tuned")
    assert made["training"]["context"] == 24
    assert made["model"]["block_size"] == 600
    assert tinylm.load("tuned")[0].config == tinylm.load(base)[0].config
    resumed = Run.resume("tuned")
    assert next(resumed._batches())[0].shape == (2, 24)
    assert run(capsys, "train", "--resume", "tuned", "--steps", 6)[0] == 0


def test_without_a_word_windows_have_512_tokens_at_most(capsys, base, tmp_path):
    assert run(capsys, "train", "a.txt", "--init-from", base, "--out", "tuned", *FEW)[0] == 0
    assert config_of(tmp_path / "tuned")["training"]["context"] == 512
    assert config_of(tmp_path / "tuned")["training"]["lr"] == 2e-4
    assert "reads 600 at most" in refused(capsys, "train", "a.txt", "--init-from", base, "--context", 601)
    assert "are the same" in refused(capsys, "train", "a.txt", "--init-from", base, "--context", 8, "--block-size", 9)


def test_the_loss_before_and_after_is_in_the_log_and_on_the_screen(capsys, base, tmp_path):
    flags = ["--block-size", 16, *FEW, "--lr", 0.01, "--steps", 30]
    status, out, _ = run(capsys, "train", "a.txt", "--init-from", base, "--out", "tuned", *flags)
    assert status == 0
    losses = {entry["step"]: entry["val_loss"] for entry in log_of(tmp_path / "tuned") if "val_loss" in entry}
    assert losses[30] < losses[0] - 0.1
    for step in (0, 30):
        assert re.search(rf"step +{step}/30  loss: train [\d.]+  validation {losses[step]:.4f}", out)


def test_how_texts_begin_and_end_comes_along(base, tmp_path):
    loaded = load_model(base)
    conventions = Conventions(
        start=(5,), stops=(7, 8), chat_template="{{ messages }}", bos_token="<s>", eos_token="</s>"
    )
    settings = TrainingSettings(steps=2, context=8, batch_size=1, warmup=0, eval_tokens=20)
    made = Run.create(tmp_path / "run", [WORDS], loaded.tokenizer, loaded.model, settings, conventions=conventions)
    assert made.start == [5]
    end = loaded.tokenizer.special_tokens["<|endoftext|>"]
    assert made.train_tokens[0] == 5
    assert encode_documents(loaded.tokenizer, ["ab", "c"], conventions).tolist() == [5, 97, 98, end, 5, 99, end]
    for _ in made.records():
        pass
    again = load_model(tmp_path / "run")
    assert (again.start, again.stops, again.chat_template) == ([5], (7, 8), "{{ messages }}")
    assert (again.bos_token, again.eos_token) == ("<s>", "</s>")
    assert Run.resume(tmp_path / "run").conventions == conventions


def test_a_model_whose_table_is_padded_is_tuned_saved_and_loaded(tmp_path):
    """Published vocabularies are often rounded up to a multiple of 64 or 128."""
    tokenizer = new_tokenizer([WORDS], vocab_size=290)
    model = GPT(GPTConfig(vocab_size=320, block_size=16, n_layer=1, n_head=2, n_embd=16), seed=1)
    model.wte.weight.data[300] = 5 * model.ln_f.weight.data  # an id without a token is likely
    settings = TrainingSettings(steps=2, batch_size=1, warmup=0, eval_tokens=20)
    made = Run.create(tmp_path / "run", [WORDS], tokenizer, model, settings)
    for _ in made.records():
        pass
    loaded = load_model(tmp_path / "run")
    assert (loaded.model.config.vocab_size, loaded.tokenizer.vocab_size) == (320, 290)
    assert Run.resume(tmp_path / "run").step == 2


USES = [3, {"stops": 3}, {"stops": [True]}, {"stops": [-1]}, {"start": "a"}, {"chat_template": 3}, {"eos_token": []}]


@pytest.mark.parametrize("use", USES, ids=str)
def test_conventions_that_make_no_sense_are_refused(use):
    with pytest.raises(ValueError, match="must be"):
        Conventions.from_dict(use)


# -- dialogues -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rank", [0, 2])
def test_dialogues_are_learnt_and_an_answer_is_shown_before_and_after(rank, capsys, base, tmp_path):
    flags = ["--lr", 0.02, "--steps", 40, "--warmup", 2, "--sample-every", 100, "--lora-rank", rank]
    status, out, _ = run(capsys, "train", "chats.jsonl", "--init-from", base, "--out", "tuned", *flags)
    assert status == 0, out
    losses = {entry["step"]: entry["val_loss"] for entry in log_of(tmp_path / "tuned") if "val_loss" in entry}
    assert losses[40] < losses[0] - (0.1 if rank else 1.0)
    samples = {entry["step"]: entry["sample"] for entry in log_of(tmp_path / "tuned") if "sample" in entry}
    assert list(samples) == [0, 40]
    question = "user:\nsay hello to bob.<|endoftext|>\n\nassistant:\n"
    assert all(text.startswith(question) for text in samples.values())
    assert "--- sample after step 0 ---" in out
    loaded = load_model("tuned")
    assert loaded.chat_template == PLAIN
    assert loaded.stops == (loaded.tokenizer.special_tokens["<|endoftext|>"],)
    assert (tmp_path / "tuned" / "adapter.safetensors").exists() == bool(rank)
    assert f"of which {Run.resume('tuned').trained_count():,} are trained" in out or not rank


def test_a_run_with_dialogues_that_was_stopped_ends_as_one_that_was_not(capsys, base, tmp_path):
    flags = ["--init-from", base, "--steps", 9, "--save-every", 0, "--batch-size", 2, "--accumulate", 2]
    for out in ("whole", "stopped"):
        assert run(capsys, "train", "chats.jsonl", "--out", out, *flags, "--steps", 9)[0] == 0
    stopped = Run.resume("stopped")
    assert stopped.step == 9
    made = Run.resume("whole")
    tokens, marks = made.train_tokens.tokens, made.train_tokens.marks
    assert tokens.tolist() == np.load("whole/train.npy").tolist()
    assert marks.tolist() == np.load("whole/train_marks.npy").tolist()
    (tmp_path / "again").mkdir()
    data = Dialogues(
        np.concatenate([np.load("whole/train.npy"), np.load("whole/val.npy")]),
        np.concatenate([np.load("whole/train_marks.npy"), np.load("whole/val_marks.npy")]),
    )
    loaded = load_model(base)
    again = Run.create("again", data, loaded.tokenizer, loaded.model, made.settings, conventions=made.conventions)
    for _ in again.records(lambda: again.step >= 4):
        pass
    assert again.step == 4
    for _ in Run.resume("again").records():
        pass
    for name in ("model.safetensors", "training.safetensors"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_steps_are_three_passes_unless_said_otherwise(capsys, base, tmp_path):
    flags = ["--batch-size", 2, "--val-fraction", 0.2]
    assert run(capsys, "train", "chats.jsonl", "--init-from", base, "--out", "tuned", *flags)[0] == 0
    training = config_of(tmp_path / "tuned")["training"]
    assert training["steps"] == 8  # 5 dialogues, 3 times, 2 at once
    assert training["warmup"] == 0


def test_other_marks_than_the_runs_own_are_refused(capsys, base, tmp_path):
    flags = ["--init-from", base, "--out", "tuned", "--steps", 2]
    assert run(capsys, "train", "chats.jsonl", *flags)[0] == 0
    marks = np.load("tuned/train_marks.npy")
    marks[np.flatnonzero(marks == 0)[0]] = 1
    np.save("tuned/train_marks.npy", marks)
    assert "not what this run was trained on" in refused(capsys, "train", "--resume", "tuned", "--steps", 4)


# -- adapters on the command line ------------------------------------------------------------------------


def test_an_adapter_is_trained_resumed_sampled_evaluated_and_merged(capsys, base, tmp_path):
    flags = ["--lora-rank", 2, "--block-size", 16, *FEW]
    assert run(capsys, "train", "a.txt", "--init-from", base, "--out", "tuned", *flags)[0] == 0
    assert config_of(tmp_path / "tuned")["training"]["lr"] == 2e-4
    assert not (tmp_path / "tuned" / "model.safetensors").exists()
    assert run(capsys, "train", "--resume", "tuned", "--steps", 6)[0] == 0
    assert run(capsys, "merge", "tuned", "--out", "merged")[0] == 0
    plain, folded = tinylm.load("merged"), tinylm.load("tuned")
    pairs = zip(plain[0].state_dict().items(), folded[0].state_dict().items(), strict=True)
    assert all(a == b and np.array_equal(x, y) for (a, x), (b, y) in pairs)
    assert plain[1] == folded[1]
    texts = [run(capsys, "sample", name, "--greedy", "--max-new-tokens", 9) for name in ("tuned", "merged")]
    assert texts[0] == texts[1]
    assert "is an adapter itself; merge it first: tinylm merge tuned" in refused(
        capsys, "train", "a.txt", "--init-from", "tuned", "--lora-rank", 2
    )
    assert "holds a run already" in refused(capsys, "merge", "tuned", "--out", "merged")
    assert "has no adapter" in refused(capsys, "merge", "merged", "--out", "other")
    assert run(capsys, "train", "a.txt", "--init-from", "tuned", "--out", "whole", "--block-size", 16, *FEW)[0] == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a.txt", "--lora-rank", 2], "--lora-rank adapts a model that is there already; say which: --init-from MODEL"),
        (["chats.jsonl"], r"dialogues \(.jsonl\) teach a model that is there already"),
        (["a.txt", "chats.jsonl", "--init-from", "BASE"], "chats.jsonl holds dialogues, a.txt text"),
        (["a.txt", "--init-from", "BASE", "--lora-alpha", 3], "add --lora-rank 8"),
        (["a.txt", "--init-from", "BASE", "--lora-rank", "-1"], "lora_rank must be a whole number from 0 up"),
        (["a.txt", "--init-from", "BASE", "--lora-rank", 2, "--lora-alpha", 0], "lora_alpha must be above 0"),
        (["a.txt", "--init-from", "BASE", "--lora-rank", 2, "--lora-dropout", 1], "lora_dropout must be below 1"),
        (["a.txt", "--init-from", "BASE", "--n-layer", 3], "--n-layer 3 contradicts"),
        (["a.txt", "--init-from", "BASE", "--pattern", "gpt4"], "--pattern: the tokenizer is that of"),
        (["bad.jsonl", "--init-from", "BASE"], "bad.jsonl, line 2: message 1 has role 'bot'"),
        (["none.jsonl", "--init-from", "BASE"], "none.jsonl: no such file"),
    ],
)
def test_bad_input_gives_one_line_and_status_2(arguments, message, capsys, base, tmp_path):
    good = (tmp_path / "chats.jsonl").read_text().splitlines()[0]
    (tmp_path / "bad.jsonl").write_text(good + '\n[{"role": "bot", "content": "a"}]\n')
    given = [base if argument == "BASE" else argument for argument in arguments]
    assert re.search(message, refused(capsys, "train", *given))
    assert not [p for p in tmp_path.iterdir() if p.is_dir()], "nothing is left behind"


@pytest.mark.parametrize("flag", ["--lora-rank 3", "--lora-alpha 3", "--context 9", "--lora-dropout 0.5"])
def test_what_describes_the_adapter_and_the_windows_cannot_change_on_resume(flag, capsys, base):
    flags = ["--lora-rank", 2, "--block-size", 16, *FEW]
    assert run(capsys, "train", "a.txt", "--init-from", base, "--out", "tuned", *flags)[0] == 0
    assert "contradicts" in refused(capsys, "train", "--resume", "tuned", *flag.split())


def test_an_adapters_config_makes_the_same_settings_again(capsys, base, tmp_path):
    flags = ["--lora-rank", 2, "--block-size", 16, *FEW]
    assert run(capsys, "train", "a.txt", "--init-from", base, "--out", "one", *flags)[0] == 0
    document = config_of(tmp_path / "one")
    del document["tokenizer"], document["model"]
    (tmp_path / "c.json").write_text(json.dumps(document))
    assert run(capsys, "train", "a.txt", "--init-from", base, "--out", "two", "--config", "c.json")[0] == 0
    one, two = ((tmp_path / name / "adapter.safetensors").read_bytes() for name in ("one", "two"))
    assert one == two
