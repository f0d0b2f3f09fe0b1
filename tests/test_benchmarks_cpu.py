"""The benchmarks of training and decoding on small models: they compare equal work, say who is absent, and add up."""

import ast
import doctest
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from benchmarks import decode_cpu, train_cpu, train_cpu_report
from tinylm.bench import OURS, TORCH, Absent, Contender, Shape, Times, in_turns, started, written_weights

ROOT = Path(__file__).resolve().parents[1]
TINY = Shape(n_layer=1, n_head=2, n_embd=8, block_size=16, batch=2, vocab_size=11)
SMALL_MACHINE = {"work": "machine", "size": 16, "ops": 10, "floats": 0}


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(train_cpu, "MACHINE", SMALL_MACHINE)
    monkeypatch.setattr(train_cpu, "SHAPES", {"a": TINY})


def peer_file(folder: Path, text: str) -> Path:
    """A contender all of whose calls give the values of an expression in n = 0, 1, ..."""
    path = folder / "peer.py"
    path.write_text(
        "import itertools, os, sys, time\n"
        "def contender(settings):\n"
        f"    values = lambda: ({text} for n in itertools.count())\n"
        "    return dict.fromkeys(('train', 'decode', 'prefill', 'work'), values)\n"
    )
    return path


# -- contenders ------------------------------------------------------------------------------------------------


def test_a_contender_does_its_work_so_many_times_and_says_how_long_it_took(tmp_path):
    with Contender(peer_file(tmp_path, "time.sleep(0.01) or n"), 1) as contender:
        answer = contender.ask("work", 3)
    assert answer["values"] == [0, 1, 2]
    assert all(0.01 <= seconds < 5 for seconds in answer["wall"])
    assert all(0 <= seconds < 0.01 for seconds in answer["cpu"]), "sleep takes no time of the processor"
    assert answer["peak"] > 1


def test_a_contender_has_so_many_threads_on_so_many_processors(tmp_path):
    names = "'OMP_NUM_THREADS OPENBLAS_NUM_THREADS MKL_NUM_THREADS TINYLM_THREADS'.split()"
    found = f"[[os.environ[name] for name in {names}], len(getattr(os, 'sched_getaffinity', lambda _: '1')(0))]"
    with Contender(peer_file(tmp_path, found), 1) as contender:
        assert contender.ask("work", 1)["values"] == [[["1"] * 4, 1]]


def test_a_contender_does_not_inherit_the_peak_memory_of_who_starts_it(tmp_path):
    ballast = np.ones(300_000_000, np.uint8)
    with Contender(peer_file(tmp_path, "n"), 1) as contender:
        assert contender.ask("work", 1)["peak"] < ballast.nbytes / 1e6 / 2


def test_what_a_peer_prints_does_not_get_into_its_answers(tmp_path):
    with Contender(peer_file(tmp_path, "print('{}') or n"), 1) as contender:
        assert contender.ask("work", 2)["values"] == [0, 1]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("__import__('no_such_peer')", "no_such_peer is not installed"),
        ("1 / 0", r"failed: ZeroDivisionError: division by zero \(peer\.py:3\)"),
        ("os._exit(3)", "ended with status 3"),
        ("time.sleep(60)", "not done in 2 s"),
    ],
)
def test_a_contender_that_cannot_be_measured_says_why(tmp_path, text, reason):
    with Contender(peer_file(tmp_path, text), 1, limit=2) as contender, pytest.raises(Absent, match=reason):
        contender.ask("work", 1)


def test_ours_must_be_there_and_peers_need_not(tmp_path):
    broken, good = tmp_path / "broken.py", peer_file(tmp_path, "n")
    broken.write_text("import no_such_peer\n")
    with ExitStack() as stack:
        found, absent = started(stack, {"ours": (good, {}), "other": (broken, {})}, 1)
        assert (list(found), absent) == (["ours"], {"other": "no_such_peer is not installed"})
        with pytest.raises(Absent):
            started(stack, {"ours": (broken, {}), "other": (good, {})}, 1)


class Witness:
    """Stands in for a contender, and notes whose turn it was."""

    def __init__(self, name: str, turns: list[str]):
        self.name, self.turns = name, turns

    def ask(self, call: str, count: int) -> dict:
        self.turns.append(self.name)
        n = len(self.turns)
        return {"wall": [n] * count, "cpu": [n / 2] * count, "values": [n] * count, "peak": 10 - n}


def test_contenders_take_turns_and_nobody_always_comes_first():
    turns: list[str] = []
    times = in_turns({name: Witness(name, turns) for name in "xy"}, "work", 3, 2)
    assert turns == ["x", "y", "y", "x", "x", "y"]
    assert times["x"] == Times([1, 1, 4, 4, 5, 5], [0.5, 0.5, 2, 2, 2.5, 2.5], [1, 1, 4, 4, 5, 5], 9)


def test_no_round_begins_when_the_time_is_over():
    turns: list[str] = []
    in_turns({name: Witness(name, turns) for name in "xy"}, "work", 100, 1, within=0)
    assert turns == ["x", "y"]


def test_one_thread_is_measured_in_cpu_time_and_more_in_wall_time():
    times = Times(wall=[3, 1, 2], cpu=[30, 10, 20])
    assert (times.seconds(1), times.seconds(2)) == (20, 2)


# -- training --------------------------------------------------------------------------------------------------


def test_operations_of_a_step_are_those_of_its_matrix_products():
    shape = Shape(n_layer=3, n_head=2, n_embd=8, block_size=5, batch=4, vocab_size=11)
    forward = 0
    for _ in range(shape.batch):
        for position in range(shape.block_size):
            for _ in range(shape.n_layer):
                forward += sum(2 * rows * columns for rows, columns in [(8, 24), (8, 8), (8, 32), (32, 8)])
                forward += 2 * 2 * 8 * (position + 1)  # with every key so far, and the sum of as many values
            forward += 2 * 8 * 11
    diagonal = 3 * 4 * 3 * 5 * 2 * 8  # the formula counts T / 2 keys a position, which is (T + 1) / 2
    assert shape.flops == 3 * forward - diagonal


def test_training_is_measured_without_peers(capsys):
    measured = train_cpu.measure("a", TINY, 1, [], rounds=2, steps=3)
    assert list(measured.times) == ["ours"]
    losses = measured.times["ours"].values
    assert len(losses) == 6
    assert all(1 < loss < 4 for loss in losses)
    rows = train_cpu_report.step_table([measured])
    assert [row[2] for row in rows] == ["contender", "ours"]


@pytest.mark.torch
@pytest.mark.usefixtures("torch_installed")
def test_training_is_the_same_work_as_pytorchs():
    # Large weights, so that clipping and the form of GELU matter. Rounding makes 2e-7 in 40 steps; no clipping makes
    # 4e-3, no decay 6e-5, other betas 7e-5, the tanh form of GELU 3e-5, decay of gains more than 2e-6.
    with written_weights(TINY, scale=8) as weights, ExitStack() as stack:
        files = {"ours": (OURS, {}), "eager": (TORCH, {}), "fused": (TORCH, {"options": {"fused": True}})}
        settings = {"work": "train", "weights": str(weights), "shape": TINY.to_dict()}
        found, absent = started(stack, files, 1, **settings)
        losses = {name: times.values for name, times in in_turns(found, "train", 2, 20).items()}
    assert absent == {}
    for peer in ("eager", "fused"):
        np.testing.assert_allclose(losses[peer], losses["ours"], rtol=2e-6)


@pytest.mark.torch
@pytest.mark.usefixtures("torch_installed")
def test_a_measurement_says_how_far_losses_are_apart():
    measured = train_cpu.measure("a", TINY, 1, ["eager"], rounds=1, steps=1)
    assert measured.apart["ours"] == 0
    assert measured.apart["eager"] < 1e-5


@pytest.mark.torch
@pytest.mark.usefixtures("torch_installed")
def test_the_script_prints_its_tables_and_ends_well(capsys):
    arguments = "--config a --threads 2 --peers eager --rounds 1 --steps 2 --profile a".split()
    assert train_cpu.main(arguments) == 0
    out = capsys.readouterr().out
    for title in ("This machine", "Training", "Targets", "Where the time of (a) goes"):
        assert f"\n{title}" in out
    assert max(map(len, out.splitlines())) <= 100


def test_other_losses_end_in_exit_status_1_and_absent_peers_are_named(tmp_path, monkeypatch, capsys):
    absent = tmp_path / "absent.py"
    absent.write_text("import no_such_peer\n")
    peers = {"eager": (peer_file(tmp_path, "1.0"), {}), "fused": (absent, {})}
    monkeypatch.setattr(train_cpu, "PEERS", peers)
    arguments = "--config a --threads 1 --rounds 1 --steps 1 --profile --peers".split()
    assert train_cpu.main([*arguments, "eager", "fused"]) == 1
    out = capsys.readouterr().out
    assert "fused skipped: no_such_peer is not installed" in out
    assert "DIFFERENT: losses of eager" in out
    assert train_cpu.main([*arguments, "fused"]) == 0


def test_losses_that_are_not_numbers_are_different():
    measured = train_cpu.Measured("a", TINY, 1, {}, {}, {"peer": float("nan")}, 1.0)
    assert train_cpu.report_differences([measured]) == 1


def test_a_profile_names_ops_and_what_is_left_is_python():
    profiles = train_cpu.profile(TINY, 3)
    assert len(profiles) == 3
    for seconds, optimizer, ops in profiles:
        assert ops["linear forward"] > 0
        assert 0 < optimizer < seconds
        assert optimizer + sum(ops.values()) < seconds


def test_the_parts_of_a_step_add_up_to_the_whole():
    profiles = [[0.010, 0.002, {"a forward": 0.001, "b forward": 0.004, "c forward": 0.0005}]] * 2
    assert train_cpu_report.profile_table(profiles, most=1)[1:] == [
        ["b forward", "4", "40.0%"],
        ["2 other ops", "1.5", "15.0%"],
        ["AdamW", "2", "20.0%"],
        ["clipping, Python, the rest", "2.5", "25.0%"],
    ]


@pytest.mark.torch
@pytest.mark.usefixtures("torch_installed")
def test_growth_has_longer_blocks_and_more_layers():
    grown = train_cpu.growth(1, tokens=128, longest=64, deepest=1)
    table = train_cpu_report.growth_table(grown)
    assert [row[:3] for row in table[1:]] == [["4", "64", "2"], ["1", "64", "2"]]


# -- decoding --------------------------------------------------------------------------------------------------

LENGTHS = 4, 12, 10


def test_decoding_is_measured_without_peers():
    measured = decode_cpu.measure(1, [], 2, TINY, LENGTHS, floats=4096 * 8)
    assert len(measured.decode["ours"].values) == 2 * 11
    assert len(set(measured.decode["ours"].values)) > 1, "not one token for ever"
    assert measured.different == []
    assert measured.bandwidth > 0
    assert len(decode_cpu.decode_table([measured])) == 3
    assert len(decode_cpu.prefill_table([measured])) == 2


@pytest.mark.torch
@pytest.mark.usefixtures("torch_installed")
def test_decoding_gives_pytorchs_tokens_with_and_without_its_cache():
    measured = decode_cpu.measure(1, ["cached", "uncached"], 1, TINY, LENGTHS, floats=4096)
    ours = measured.decode["ours"].values
    assert len(ours) == 11
    assert measured.decode["cached"].values == measured.decode["uncached"].values == ours
    assert (measured.different, measured.absent) == ([], {})


def test_other_tokens_are_told_and_end_in_exit_status_1(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(decode_cpu, "PEERS", {"cached": (peer_file(tmp_path, "n"), {})})
    measured = decode_cpu.measure(1, ["cached"], 1, TINY, LENGTHS, floats=4096)
    assert decode_cpu.report_differences([measured]) == 1
    assert "DIFFERENT: cached" in capsys.readouterr().out


def test_the_share_of_the_bandwidth_counts_every_matrix_once():
    shape = Shape(n_layer=12, n_head=12, n_embd=768, block_size=1024, batch=1, vocab_size=50257)
    times = Times(wall=[0.02], cpu=[0.02])
    decoded = decode_cpu.Decoded(1, shape, {"ours": times}, {}, {}, [], bandwidth=32.0)
    assert decoded.share("ours") == pytest.approx(0.494 / 0.02 / 32, rel=1e-3)  # 494 MB: PERFORMANCE.md


# -- the product -----------------------------------------------------------------------------------------------


def test_only_the_peers_file_imports_torch_and_nobody_imports_that_file():
    for file in (path for package in ("tinylm", "tokenizer") for path in (ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                names = [alias.name for alias in node.names]
                base = [node.module or ""] if isinstance(node, ast.ImportFrom) else names
                assert "torch_peer" not in ".".join([*base, *names]), file
                assert file == TORCH or all(name.split(".")[0] != "torch" for name in base), file


def test_the_command_line_imports_no_peer():
    code = "import sys, tinylm.cli, tinylm.bench; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout == "False\n", done.stderr


def test_contenders_begin_with_the_same_weights_and_batches():
    with written_weights(TINY) as one, written_weights(TINY) as two:
        with np.load(one) as a, np.load(two) as b:
            assert sorted(a.files) == sorted(b.files)
            assert all(np.array_equal(a[name], b[name]) for name in a.files)
            assert a["batches"].shape == (8, 2, 17)
            assert a["h.0.attn.c_attn.weight"].shape == (8, 24)
        assert OURS.is_file()
    assert not one.exists()


def test_tables_print_in_columns_and_as_markdown(capsys):
    table = [["who", "ms"], ["ours", "1.5"]]
    train_cpu_report.show([("One", table), ("Empty", table[:1])], as_markdown=False)
    assert capsys.readouterr().out.endswith("\nOne\n\nwho    ms\nours  1.5\n")
    train_cpu_report.show([("One", table)], as_markdown=True)
    assert capsys.readouterr().out.endswith("\n### One\n\n| who | ms |\n| --- | --- |\n| ours | 1.5 |\n")


def test_the_examples_in_the_report_hold():
    assert doctest.testmod(train_cpu_report).failed == 0
