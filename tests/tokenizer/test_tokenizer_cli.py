"""The command line and what it shows, as a new user meets them."""

import io
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tokenizer import CharTokenizer, Tokenizer, merges, train_bpe
from tokenizer import show as shown
from tokenizer.__main__ import main

ROOT = Path(__file__).resolve().parents[2]
TEXT = "The cat sat on the mat; the cat's naïve 🙂.\r\nShe'll sell another 2000 sea shells.\n" * 20


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


def test_show_brackets_the_tokens_and_tells_every_merge(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "cat the cat", "-t", str(trained)]) == 0
    out = capsys.readouterr().out
    tok = Tokenizer.load(trained)
    assert out.splitlines()[0] == "".join(f"[{tok.decode([i])}]" for i in tok.encode("cat the cat"))
    assert out.count("\n\n") == 3  # each word once
    for word in ("cat", " the", " cat"):
        for step in tok.encode_steps(word):
            assert f"merge {step.rank}\n" in out
    assert "\n  [␣t] h e" in out or "\n  ␣ t [he]" in out or "\n  ␣ [th] e" in out


def test_show_leaves_special_tokens_whole(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "a<|endoftext|>b", "-t", str(trained), "--specials", "encode"]) == 0
    assert capsys.readouterr().out == "[a][<|endoftext|>][b]\n3 tokens: 97 289 98\n\na\n  a\n\nb\n  b\n"


def test_show_works_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "the operator"]) == 0
    captured = capsys.readouterr()
    assert captured.out.startswith("[the][ operator]\n2 tokens:")
    assert captured.err.startswith("no -t FILE: trained a small tokenizer")


def test_show_takes_characters_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    CharTokenizer("abc").save(tmp_path / "char.json")
    assert main(["show", "cab", "-t", str(tmp_path / "char.json")]) == 0
    assert capsys.readouterr().out == "[c][a][b]\n3 tokens: 2 0 1\n"


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


@pytest.mark.parametrize("arguments", [[], ["trian"], ["train", "a"], ["encode"], ["train", "a", "--vocab-size", "x"]])
def test_a_wrong_command_gets_one_line_and_status_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("arguments", [["--help"], ["train", "--help"], ["encode", "--help"], ["show", "--help"]])
def test_help_is_there_for_every_command(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 0
    assert "usage: python -m tokenizer" in capsys.readouterr().out


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


def test_a_reader_that_has_seen_enough_ends_it_quietly(trained: Path, tmp_path: Path) -> None:
    big = tmp_path / "big.txt"
    big.write_text(TEXT * 500)
    command = [sys.executable, "-m", "tokenizer", "encode", "-t", str(trained), "--file", str(big)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(10)
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(timeout=30) == 141


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_colours_only_on_a_terminal_that_wants_them(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for no_color, coloured in (("", True), ("1", False)):
        monkeypatch.setenv("NO_COLOR", no_color)
        monkeypatch.setattr(sys, "stdout", screen := Terminal())
        assert main(["show", "the cat", "-t", str(trained)]) == 0
        assert ("\x1b[38;5;16;48;5;" in screen.getvalue()) == coloured


def test_coloured_tokens_hold_the_text_and_let_no_control_character_through() -> None:
    tokens = [b"a ", b"\x1b[31m", b"\n", "é".encode(), b"\xf0\x9f", b"\r"]
    for text in (shown.coloured(tokens), shown.bracketed(tokens)):
        bare = text.replace("\x1b[0m", "")
        for colour in (224, 229, 194, 195, 189):
            bare = bare.replace(f"\x1b[38;5;16;48;5;{colour}m", "")
        assert bare.replace("[", "").replace("]", "") == "a \\x1b31m\\n\né\\xf0\\x9f\\r"


def test_html_is_escaped_and_stands_alone() -> None:
    html = shown.coloured_html([b"<script>", b"&", b"\n"])
    assert "&lt;script&gt;</span>" in html
    assert "&amp;</span>" in html
    assert "<script" not in html
    table = shown.merge_table_html(merges({b"<b>": 3}, rivals=1))
    assert "<td>&lt; + b</td>" in table
    assert "<td>b + &gt;: 3</td>" in table
    tok = train_bpe(["<< <<"], 258)
    page = shown.word_html(b"<<", tok.encode_steps("<<"), tok.vocab)
    assert "<caption>&lt;&lt;</caption>" in page
    assert "<td>[&lt;&lt;]</td>" in page
    for text in (html, table, page):
        assert "http" not in text
        assert text.count("<td>") == text.count("</td>")


def test_a_table_of_merges_shows_pair_token_count_and_rivals() -> None:
    table = shown.merge_table(merges({b" low": 5, b"new": 2}, 2, rivals=2))
    assert table.splitlines() == [
        "  rank  id   pair    token  count  next in line",
        "  0     256  l + o   lo     5      o + w: 5, ␣ + l: 5",
        "  1     257  ␣ + lo  ␣lo    5      lo + w: 5, e + w: 2",
    ]
    assert shown.merge_table([]) == "  rank  id  pair  token  count"
