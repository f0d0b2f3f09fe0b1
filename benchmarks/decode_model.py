"""What benchmarks/decode_cpu.py --model does: loading and greedy decoding of a published model in a GGUF file."""

import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.train_cpu_report import Table, number
from tinylm.bench import Times, in_turns, started
from tinylm.formats import load_model
from tinylm.formats.export import export

FOLDER = Path(__file__).resolve().parent
PROMPT, NEW, PREFILL, CHECKED = 64, 64, 256, 32
TEXT = (
    "The list of the names of the rivers that flow into the sea is long, and most people who live beside one of them "
    "know only its own name, where it rises, and how high the water stood in the year of the great flood. "
) * 8

LOADING = 3.0  # seconds
WIDENED, QUANTISED = 1.3, 0.6  # peak memory over that of the widened weights


@dataclass
class Measured:
    """What was measured with one number of threads; weights: the bytes of all of them as float32."""

    threads: int
    weights: int
    loading: dict[str, Times]
    decode: dict[str, Times]
    prefill: dict[str, Times]
    absent: dict[str, str]
    agree: dict[str, int]


def files(path: Path, folder: Path, ids: list[int]) -> tuple[int, dict[str, tuple[Path, dict[str, Any]]]]:
    """The weights' size, and the contenders: transformers with the widened weights, llama.cpp with both."""
    found = load_model(path, device="numpy")
    if not ids:
        ids += found.prompt(TEXT)[: max(PREFILL, PROMPT)]
    if not (folder / "hf").exists():
        export(found, folder / "hf", "hf")
        export(found, folder / "f32.gguf", "gguf")
    return 4 * found.model.parameter_count(), {
        "ours": (FOLDER / "ours_model.py", {}),
        "ours, kept quantised": (FOLDER / "ours_model.py", {"keep": True}),
        "transformers": (FOLDER / "peer_transformers_model.py", {"folder": str(folder / "hf")}),
        "llama.cpp, float32": (FOLDER / "peer_llama_cpp.py", {"model_file": str(folder / "f32.gguf")}),
        "llama.cpp, the file": (FOLDER / "peer_llama_cpp.py", {"model_file": str(path)}),
    }


def measure(path: Path, threads: int, rounds: int, folder: Path) -> Measured:
    """Load, decode and read prompts with every contender, in turns."""
    print(f"{path.name}, threads: {threads}", file=sys.stderr, flush=True)
    pause, ids = (0.0 if threads == 1 else 0.2), list[int]()
    weights, contenders = files(path, folder, ids)
    with ExitStack() as stack:
        settings = {"gguf": str(path), "ids": ids, "prompt": PROMPT, "new": NEW, "prefill": PREFILL}
        found, absent = started(stack, contenders, threads, **settings)
        loading = in_turns(found, "load", 1, 1)
        decode = in_turns(found, "decode", rounds, NEW - 1, pause=pause)
        in_turns(found, "prefill", 1, 1)  # warm-up
        prefill = in_turns(found, "prefill", rounds, 1, pause=pause)
    ours = decode["ours"].values[:CHECKED]
    agree = {who: _same(ours, times.values[:CHECKED]) for who, times in decode.items()}
    return Measured(threads, weights, loading, decode, prefill, absent, agree)


def _same(ours: list[int], theirs: list[int]) -> int:
    """How many tokens from the first on are equal."""
    for place, (a, b) in enumerate(zip(ours, theirs, strict=False)):
        if a != b:
            return place
    return min(len(ours), len(theirs))


def tables(measured: list[Measured]) -> list[tuple[str, Table]]:
    rows = [["threads", "contender", "ms a token", "ours is", f"prefill of {PREFILL}, ms", "ours is", "loading, s",
             "peak MB", "of the weights", "equal tokens"]]  # fmt: skip
    targets = [["threads", "", "measured", "target", "verdict"]]
    for m in measured:
        ours, reading = m.decode["ours"].seconds(m.threads), m.prefill["ours"].seconds(m.threads)
        for who, times in m.decode.items():
            seconds, prefill = times.seconds(m.threads), m.prefill[who].seconds(m.threads)
            faster = (
                ["", ""] if who == "ours" else [f"{seconds / ours:.2f}x as fast", f"{prefill / reading:.2f}x as fast"]
            )
            peak = max(times.peak, m.prefill[who].peak)
            cells = [number(1000 * seconds), faster[0], number(1000 * prefill), faster[1]]
            cells += [
                f"{m.loading[who].wall[0]:.2f}",
                number(peak),
                f"{1e6 * peak / m.weights:.2f}x",
                str(m.agree[who]),
            ]
            rows.append([str(m.threads), who, *cells])
        for who, most in (("ours", WIDENED), ("ours, kept quantised", QUANTISED)):
            share = 1e6 * m.loading[who].peak / m.weights
            verdict = "met" if share < most else "missed"
            targets.append([str(m.threads), f"{who}: peak of loading", f"{share:.2f}x", f"under {most}x", verdict])
        seconds = m.loading["ours"].wall[0]
        verdict = "met" if seconds < LOADING else "missed"
        targets.append([str(m.threads), "ours: loading", f"{seconds:.2f} s", f"under {LOADING:g} s", verdict])
    return [("A published model", rows), ("Targets", targets)]


def run(path: Path, threads: list[int], rounds: int) -> tuple[list[tuple[str, Table]], list[Measured]]:
    """The tables, and what they were made of."""
    with tempfile.TemporaryDirectory() as folder:
        measured = [measure(path, n, rounds, Path(folder)) for n in threads]
    return tables(measured), measured
