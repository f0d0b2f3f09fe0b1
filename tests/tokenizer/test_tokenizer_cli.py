"""The command line and what it shows, as a new user meets them."""

import io
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tokenizer import CharTokenizer, Tokenizer, train_bpe
from tokenizer.__main__ import main

ROOT = Path(__file__).resolve().parents[2]
TEXT = "The cat sat on the mat; the cat's naïve 🙂.\r\nShe'll sell another 2000 sea shells.\n" * 20


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    path = tmp_path / "corpus.txt"
    path.write_bytes(TEXT.encode())
    return path


@pytest.fixture
def trained(corpus: Path) -> Path:
    path = corpus.with_name("tok.json")
    train_bpe(corpus, 290).save(path)
    return path


def run(*arguments: str | Path, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"}
    command = [sys.executable, "-m", "tokenizer", *map(str, arguments)]
    return subprocess.run(command, input=stdin, capture_output=True, cwd=ROOT, env=environment, timeout=60)


def test_train_writes_the_tokenizer_that_train_bpe_makes(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = corpus.with_name("new.json")
    arguments = ["--vocab-size", "300", "--pattern", "gpt4", "--tie-break", "first_seen", "--special", "<|a|>"]
    assert main(["train", str(corpus), "-o", str(out), *arguments]) == 0
    expected = train_bpe(corpus, 300, pattern="gpt4", tie_break="first_seen", special_tokens=["<|a|>"])
    assert Tokenizer.load(out) == expected
    captured = capsys.readouterr()
    assert captured.out.startswith(f"{out}: 300 tokens (256 bytes, 43 merges, 1 special) from ")
    assert captured.err == ""  # no progress bar where nobody watches


def test_train_without_special_tokens(corpus: Path) -> None:
    out = corpus.with_name("new.json")
    assert main(["train", str(corpus), "--vocab-size", "256", "-o", str(out), "--special", ""]) == 0
    assert Tokenizer.load(out).special_tokens == {}


def test_decode_undoes_encode_in_a_pipe(corpus: Path, trained: Path) -> None:
    encoded = run("encode", "-t", trained, "--file", corpus)
    assert encoded.stdout == run("encode", "-t", trained, stdin=corpus.read_bytes()).stdout
    assert list(map(int, encoded.stdout.split())) == Tokenizer.load(trained).encode(TEXT)
    assert run("decode", "-t", trained, stdin=encoded.stdout).stdout == corpus.read_bytes()


def test_encode_and_decode_take_arguments(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tok = Tokenizer.load(trained)
    assert main(["encode", "-t", str(trained), "the cat"]) == 0
    assert capsys.readouterr().out == " ".join(map(str, tok.encode("the cat"))) + "\n"
    assert main(["encode", "-t", str(trained), "<|endoftext|>", "--specials", "encode"]) == 0
    assert capsys.readouterr().out == "289\n"
    assert main(["encode", "-t", str(trained), "<|", "--specials", "ordinary"]) == 0
    assert capsys.readouterr().out == "60 124\n"
    assert run("decode", "-t", trained, "104", "105").stdout == b"hi"
    assert run("decode", "-t", trained, "104, 105", "195").stdout == b"hi\xc3"  # the bytes, also of half a character


def test_encode_writes_an_array_that_decode_reads(
    corpus: Path, trained: Path, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    out = str(tmp_path / "ids.npy")
    assert main(["encode", "-t", str(trained), "--file", str(corpus), "-o", out]) == 0
    ids = np.load(out)
    said = capfdbinary.readouterr().out.decode()
    assert said.startswith(f"{out}: {len(ids):,} ids, uint16")
    assert Tokenizer.load(trained).decode(ids) == corpus.read_bytes().decode()
    assert main(["decode", "-t", str(trained), "--file", out]) == 0
    assert capfdbinary.readouterr().out == corpus.read_bytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["encode", "a", "-o", "ids.bin"], "--output writes a .npy file, got 'ids.bin'"),
        (["decode", "--file", "{trained}"], "not a .npy file of ids"),
        (["decode", "1", "--file", "{trained}"], "got ids and --file; give one of them"),
    ],
)
def test_arrays_that_cannot_be_get_one_line_and_status_2(
    arguments: list[str], message: str, trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command, *rest = (argument.replace("{trained}", str(trained)) for argument in arguments)
    assert main([command, "-t", str(trained), *rest]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_train_says_that_a_regex_of_ones_own_is_not_fast(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = ["--vocab-size", "260", "-o", str(tmp_path / "t.json")]
    assert main(["train", str(corpus), *settings, "--pattern", r"\w+|\W+"]) == 0
    assert "a regex of your own runs in the readable form" in capsys.readouterr().err
    assert main(["train", str(corpus), *settings, "--pattern", "gpt4"]) == 0
    assert capsys.readouterr().err == ""


def test_show_brackets_the_tokens_and_tells_every_merge(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "cat the cat", "-t", str(trained)]) == 0
    out = capsys.readouterr().out
    tok = Tokenizer.load(trained)
    words = [[tok.decode([i]).replace(" ", "␣") for i in tok.encode(word)] for word in ("cat", " the", " cat")]
    assert out.splitlines()[0] == " ".join("".join(f"[{token}]" for token in word) for word in words)
    assert out.count("\n\n") == 3  # each word once
    for word in ("cat", " the", " cat"):
        for step in tok.encode_steps(word):
            assert f"merge {step.rank}\n" in out
    assert "\n  [␣t] h e" in out or "\n  ␣ t [he]" in out or "\n  ␣ [th] e" in out


def test_show_leaves_special_tokens_whole_and_marks_them(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "a<|endoftext|>b", "-t", str(trained), "--specials", "encode"]) == 0
    out = "[a] ⟦<|endoftext|>⟧ [b]\n3 tokens in 2 words: 97 289 98\n\nwithout a merge: a, b\n"
    assert capsys.readouterr().out == out


def test_show_works_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "the operator"]) == 0
    captured = capsys.readouterr()
    assert captured.out.startswith("[the] [␣operator]\n2 tokens in 2 words:")
    assert captured.err.startswith("no -t FILE: trained a small tokenizer")


def test_show_takes_characters_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    CharTokenizer("abc").save(tmp_path / "char.json")
    assert main(["show", "cab", "-t", str(tmp_path / "char.json")]) == 0
    assert capsys.readouterr().out == "[c] [a] [b]\n3 tokens: 2 0 1\n"


def test_show_reads_a_pipe_and_keeps_to_its_limit(trained: Path) -> None:
    out = run("show", "-t", trained, "--words", "1", stdin=b"the cat").stdout.decode()
    assert out.splitlines()[-1].startswith("… and 1 more word; --words all,")
    assert "more" not in run("show", "-t", trained, "--words", "all", stdin=b"the cat").stdout.decode()


def test_show_replays_the_textbook_without_a_file() -> None:
    out = run("show", "--training", "--merges", "1", "--rivals", "1").stdout.decode()
    assert out.startswith(
        "4 different words, 16 in all; first merge, ties broken by huggingface\n\nmerge 0: e + s → es,"
    )
    assert "\n  tie    e + s beat s + t (both 9 times): huggingface takes the smallest ids" in out


def test_show_replays_files_and_pipes_as_train_would(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--merges", "4", "--tie-break", "first_seen", "--pattern", "gpt4"]
    assert main(["show", "--training", str(corpus), *flags]) == 0
    out = capsys.readouterr().out
    tok = train_bpe(corpus, 260, pattern="gpt4", tie_break="first_seen", special_tokens=[])
    for n, (left, right) in enumerate(tok.merges):
        assert f"merge {n}: {left.decode()} + {right.decode()}".replace(" ", "") in out.replace(" ", "").replace(
            "␣", ""
        )
    assert run("show", "--training", *flags, stdin=corpus.read_bytes()).stdout.decode() == out


@pytest.mark.parametrize("what", [["a <b> & c"], ["--training"]])
def test_show_writes_a_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, what: list[str]
) -> None:
    CharTokenizer("a <b>&c").save(tmp_path / "char.json")
    page = tmp_path / "page.html"
    monkeypatch.setattr(sys, "stdin", Terminal())
    assert main(["show", "-t", str(tmp_path / "char.json"), "--html", str(page), *what]) == 0
    assert capsys.readouterr().out == f"{page}: written\n"
    assert page.read_text("utf-8").startswith("<!doctype html>")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["char.json", "page.html"]


def test_a_terminal_without_the_sign_for_a_space_gets_its_number(trained: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "0", "PYTHONIOENCODING": "latin-1"}
    command = [sys.executable, "-m", "tokenizer", "show", "a cat", "-t", str(trained)]
    done = subprocess.run(command, capture_output=True, cwd=ROOT, env=environment, timeout=60)
    assert done.returncode == 0
    assert b"\\u2423" in done.stdout


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "the file is empty"),
        (b"caf\xe9 ", "not UTF-8 at byte 3"),
        (b"ab\0c", "looks binary (a NUL at byte 2)"),
        (None, "cannot be read: No such file"),
        (b"ab", "runs out of pairs after 1 of 43 merges"),
    ],
)
def test_a_file_that_cannot_be_used_gets_one_line_and_status_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], data: bytes | None, says: str
) -> None:
    path, out = tmp_path / "in.txt", tmp_path / "out.json"
    if data is not None:
        path.write_bytes(data)
    assert main(["train", str(path), "--vocab-size", "300", "-o", str(out)]) == 2
    captured = capsys.readouterr()
    assert says in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""
    assert not out.exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["train", "CORPUS", "--vocab-size", "9", "-o", "x.json"], "vocab_size 9 is too small"),
        (["train", "CORPUS", "--vocab-size", "300", "-o", "no/such/x.json"], "there is no folder"),
        (["train", "CORPUS", "--vocab-size", "300", "-o", "x.json", "--pattern", "gpt9"], "no known name"),
        (["train", "CORPUS", "--vocab-size", "300", "-o", "x.json", "--workers", "0"], "workers: expected 1 or more"),
        (["encode", "-t", "CORPUS", "hi"], "not JSON"),
        (["encode", "-t", "TOK", "hi", "--file", "CORPUS"], "give one of them"),
        (["encode", "-t", "TOK", "--file", "none.txt"], "none.txt: cannot be read"),
        (["encode", "-t", "TOK", "a<|endoftext|>"], "at character 1; choose --specials encode or"),
        (["encode", "-t", "TOK", "a\udcff"], "a lone surrogate"),
        (["decode", "-t", "TOK", "99999"], "99999 at position 0 is no id of this vocabulary (0 to 289)"),
        (["decode", "-t", "TOK", "7", "seven"], "'seven' is no id"),
        (["show", "-t", "TOK", "a<|endoftext|>"], "at character 1; choose --specials encode or"),
        (["show", "-t", "TOK", "a", "--html", "no/such/x.html"], "there is no folder"),
        (["show", "a", "--training", "CORPUS"], "give one of them"),
        (["show", "--training", "none.txt"], "none.txt: cannot be read"),
        (["show", "--training", "CORPUS", "--merges", "-1"], "n_merges must not be negative"),
        (["show", "--training", "CORPUS", "--rivals", "-1"], "rivals must not be negative"),
    ],
)
def test_bad_input_gets_one_line_and_status_2(
    corpus: Path, trained: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    names = {"CORPUS": str(corpus), "TOK": str(trained), "x.json": str(corpus.with_name("x.json"))}
    assert main([names.get(each, each) for each in arguments]) == 2
    err = capsys.readouterr().err
    assert says in err
    assert err.startswith("tokenizer: ")
    assert err.count("\n") == 1


def test_no_arguments_print_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert "examples:\n  python -m tokenizer train" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [["show", "a", "--words", "x"], ["trian"], ["train", "a"], ["encode"], ["train", "a", "--vocab-size", "x"]],
)
def test_a_wrong_command_gets_one_line_and_status_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("command", [[], ["train"], ["encode"], ["decode"], ["show"]])
def test_help_is_there_for_every_command_with_examples(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([*command, "--help"])
    assert caught.value.code == 0
    out = capsys.readouterr().out
    assert "usage: python -m tokenizer" in out
    assert " ".join(["  python -m tokenizer", *command]) in out.split("examples:\n")[1]


needs_pipes = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")


@needs_pipes
def test_ctrl_c_ends_with_one_line_and_status_130(tmp_path: Path) -> None:
    pipe, out = tmp_path / "pipe", tmp_path / "tok.json"
    os.mkfifo(pipe)
    command = [sys.executable, "-m", "tokenizer", "train", str(pipe), "--vocab-size", "300", "-o", str(out)]
    # the pipe opens when the program opens its end, and so is at work
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE) as process, open(pipe, "wb"):
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (130, b"tokenizer: interrupted\n")
    assert not out.exists()


@needs_pipes
def test_train_reads_a_pipe(tmp_path: Path) -> None:
    pipe, out = tmp_path / "pipe", tmp_path / "tok.json"
    os.mkfifo(pipe)
    command = [sys.executable, "-m", "tokenizer", "train", str(pipe), "--vocab-size", "290", "-o", str(out)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL) as process:
        pipe.write_bytes(TEXT.encode())
        assert process.wait(timeout=30) == 0
    assert Tokenizer.load(out) == train_bpe([TEXT], 290)


@pytest.mark.parametrize("how", [["encode", "--file"], ["show", "--merges", "400", "--training"]])
def test_a_reader_that_has_seen_enough_ends_it_quietly(trained: Path, tmp_path: Path, how: list[str]) -> None:
    big = tmp_path / "big.txt"
    big.write_text(TEXT * 500 + " ".join(f"a{n}b{n * n}" for n in range(4000)))
    command = [sys.executable, "-m", "tokenizer", how[0], "-t", str(trained), *how[1:], str(big)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(10)
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(timeout=30) == 141


def test_colours_only_on_a_terminal_that_wants_them(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for no_color, coloured in (("", True), ("1", False)):
        monkeypatch.setenv("NO_COLOR", no_color)
        monkeypatch.setattr(sys, "stdout", screen := Terminal())
        assert main(["show", "the cat", "-t", str(trained)]) == 0
        assert ("\x1b[38;5;16;48;5;" in screen.getvalue()) == coloured
        for choice in ("always", "never"):
            monkeypatch.setattr(sys, "stdout", screen := Terminal())
            assert main(["show", "the cat", "-t", str(trained), "--color", choice]) == 0
            assert ("\x1b" in screen.getvalue()) == (choice == "always")
