"""The script of the tokenizer's table runs where peers and texts are missing, and refuses results that differ."""

import doctest
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import tokenizer_report
from benchmarks.tokenizer_bench import Bench, Skip, Unequal, check_made
from benchmarks.tokenizer_rows import ROWS, lines
from benchmarks.tokenizer_tasks import Different, check_equal
from tokenizer import train_bpe

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Texts and vocabularies of the expected names, 40 kB and 400 tokens, and modules that hide the peers."""
    folder = tmp_path_factory.mktemp("benchmark")
    rng = random.Random(0)
    words = ["".join(rng.choices("etaoinshr", k=rng.randint(1, 8))) for _ in range(8000)]
    text = "<|endoftext|>".join(" ".join(words[i : i + 1000]) for i in range(0, len(words), 1000))
    for name in ("en100.txt", "en10.txt", "multi10.txt"):
        (folder / name).write_text(text, "utf-8")
    tok = train_bpe([text], 400, special_tokens=())
    for name in ("r50k_base.tiktoken", "cl100k_base.tiktoken"):
        tok.to_tiktoken(folder / name)
    for peer in ("tiktoken", "tokenizers", "rustbpe", "MiniBpeRust"):
        (folder / f"{peer}.py").write_text(f"raise ImportError('hidden', name={peer!r})\n")
    return folder


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "benchmarks/tokenizer.py", "--corpora", folder, "--data", folder, "--quick", *words]
    environment = os.environ | {"PYTHONPATH": str(folder)}  # before installed packages
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def test_rows_run_without_peers_and_say_who_is_missing(folder):
    done = run(folder, "--rows", "4,5,8,9", "--markdown")
    assert done.returncode == 0, done.stderr
    table = [line.split(" | ") for line in done.stdout.splitlines() if line.startswith("| ")]
    assert {row[0] for row in table[2:]} == {"| 4", "| 5", "| 8", "| 9"}
    assert "skipped: tiktoken is not installed" in done.stdout
    assert "skipped: tokenizers is not installed" in done.stdout
    assert "failed" not in done.stdout
    assert "MB/s" in done.stdout, "ours is measured all the same"


def test_every_row_says_which_file_is_missing(tmp_path):
    with Bench(tmp_path, tmp_path, repeat=1, quick=True) as bench:
        for number in ROWS:
            found = lines(bench, number)
            assert found
            assert all(line.verdict.startswith("skipped: no ") for line in found)


def test_an_unknown_row_is_refused(folder):
    done = run(folder, "--rows", "11")
    assert done.returncode == 2
    assert "no row 11" in done.stderr


def test_different_results_end_in_exit_status_1(folder):
    (folder / "rustbpe.py").write_text(
        "class Tokenizer:\n"
        "    def train_from_iterator(self, documents, vocab_size, pattern): pass\n"
        "    def get_mergeable_ranks(self): return [(bytes([i % 256]), i) for i in range(1000)]\n"
    )
    done = run(folder, "--rows", "3")
    assert done.returncode == 1, done.stderr
    assert "DIFFERENT: rustbpe" in done.stdout


def test_comparisons_see_one_difference_and_a_shorter_end():
    check_equal("ids", [1, 2, 3], [1, 2, 3])
    for other in ([1, 2, 4], [1, 2], [1, 2, 3, 4]):
        with pytest.raises(Different, match="ids differ at"):
            check_equal("ids", [1, 2, 3], other)
    with pytest.raises(Unequal, match="from merge 1 on"):
        check_made("peer", [["a", "b"], ["c", "d"]], [["a", "b"], ["c", "e"]])


def test_a_task_that_fails_or_takes_too_long_is_skipped_with_a_reason(tmp_path):
    with Bench(tmp_path, tmp_path, repeat=1, quick=True) as bench:
        settings = {"who": "ours", "path": "no such file", "pattern": "gpt2", "vocab_size": 300}
        with pytest.raises(Skip, match="no such file"):
            bench.task("train", **settings)
        with pytest.raises(Skip, match=r"not done in 0\.01 s"):
            bench.task("train", limit=0.01, **settings)


def test_one_document_is_the_text_without_separators(tmp_path):
    text = "<|endoftext|>".join(["x" * 999, "<|endof", "y" * (1 << 20), "z", ""])
    (tmp_path / "en100.txt").write_text(text, "utf-8")
    with Bench(tmp_path, tmp_path, repeat=1, quick=False) as bench:
        assert bench.unseparated("en100.txt").read_text("utf-8") == text.replace("<|endoftext|>", "\n")
        assert bench.repeated("en100.txt", 2).read_text("utf-8") == 2 * (text + "<|endoftext|>")


def test_other_scripts_in_the_folder_import_the_package_and_not_the_script():
    code = "import sys; sys.path[:0] = ['benchmarks']; import tokenizer; print(tokenizer.train_bpe.__module__)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout == "tokenizer.build\n", done.stderr


def test_the_examples_in_the_report_hold():
    assert doctest.testmod(tokenizer_report).failed == 0
