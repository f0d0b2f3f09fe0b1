"""The rows of benchmarks/tokenizer.py: what each one measures, and what it holds that against."""

from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.tokenizer_bench import VOCABULARIES, Bench, Skip, Unequal, check_made, say
from benchmarks.tokenizer_report import CPU, WALL, Line, Target, faster, judged, seconds

Runs = list[dict[str, Any]]

HUGGING_FACE = ("ours", "huggingface")
RUSTBPE = ("ours as rustbpe", "rustbpe")  # ours under its tie rule, so that both do the same
MINIBPERUST = ("ours as MiniBpeRust", "MiniBpeRust")  # likewise
TEXTS = {"en10.txt": "English", "multi10.txt": "multilingual"}
TIKTOKEN_LIMIT = 15  # seconds for one long word


def lines(bench: Bench, number: int) -> list[Line]:
    """The lines of a row; what cannot be measured is a line that says why."""
    say(f"row {number}")
    found = []
    for work, measure in ROWS[number](bench):
        try:
            new = measure()
        except Skip as reason:
            new = [Line(number, work, verdict=f"skipped: {reason}")]
        except Unequal as difference:
            new = [Line(number, work, verdict=f"DIFFERENT: {difference}", unequal=True)]
        for line in new:
            say("  = " + " | ".join(line.cells()))
        found += new
    return found


Measure = Callable[[], list[Line]]
Parts = Iterator[tuple[str, Measure]]


# 1 to 4: training


def samples(runs: Runs) -> list[list[float]]:
    return [run["sample"] for run in runs]


def training(
    bench: Bench, row: int, path: Path, pattern: str, contenders: tuple[str, str], target: Target | None
) -> Line:
    ours, peer = map(samples, bench.train(path, pattern, contenders, bench.repeat))
    work = training_work(bench, path, pattern)
    return judged(row, work, seconds(ours), f"{contenders[1]} {seconds(peer)}", faster(ours, peer), target)


def training_work(bench: Bench, path: Path, pattern: str) -> str:
    whole = ", as one document" if path.name.startswith("whole-") else ""
    return f"train {bench.vocab_size:,}, {path.stat().st_size / 1e6:.3g} MB{whole}, {pattern}"


def row_1(bench: Bench) -> Parts:
    for pattern in ("gpt2", "gpt4"):
        yield (
            f"train on en100.txt, {pattern}",
            lambda p=pattern: [training(bench, 1, bench.text("en100.txt"), p, HUGGING_FACE, Target(5, 8))],
        )


def row_2(bench: Bench) -> Parts:
    for pattern in ("gpt2", "gpt4"):
        yield (
            f"train on en10.txt, {pattern}",
            lambda p=pattern: [training(bench, 2, bench.text("en10.txt"), p, HUGGING_FACE, Target(2.5, 4))],
        )


def row_3(bench: Bench) -> Parts:
    yield (
        "train on en100.txt, gpt2",
        lambda: [training(bench, 3, bench.text("en100.txt"), "gpt2", RUSTBPE, Target(1.8, 3))],
    )
    yield (
        "train on en100.txt as one document, gpt2",
        lambda: [training(bench, 3, bench.unseparated("en100.txt"), "gpt2", MINIBPERUST, None)],
    )


def row_4(bench: Bench) -> Parts:
    for pattern in ("gpt2", "gpt4"):
        yield f"peak memory, {pattern}", lambda p=pattern: [peak_memory(bench, p)]
    yield "peak memory, the text three times", lambda: [growth(bench, "three times", bench.repeated)]
    yield "peak memory, no separators", lambda: [growth(bench, "as one document", bench.unseparated)]


def peak_memory(bench: Bench, pattern: str) -> Line:
    path = bench.text("en100.txt")
    ours, peer = (median(run["peak"] for run in runs) for runs in bench.train(path, pattern, HUGGING_FACE, 1))
    work = f"peak memory: {training_work(bench, path, pattern)}"
    return judged(4, work, f"{ours:.0f} MB", f"huggingface {peer:.0f} MB", ours / peer, Target(0.65, at_most=True))


def growth(bench: Bench, how: str, change: Callable[[str], Path]) -> Line:
    """The peak for a file that is longer, or one document, over that for the file itself: as many distinct words."""
    path, other = bench.text("en100.txt"), change("en100.txt")
    [once], [changed] = (bench.train(file, "gpt2", ["ours"], 1)[0][:1] for file in (path, other))
    if how == "three times":  # as one document, a few words at its seams are others
        check_made(how, changed["made"], once["made"])
    work = f"peak memory: the same text {how}, {other.stat().st_size / 1e6:.0f} MB"
    cells = [f"{run['peak']:.0f} MB" for run in (changed, once)]
    target = Target(1.1, at_most=True)
    return judged(4, work, cells[0], f"ours, as it was {cells[1]}", changed["peak"] / once["peak"], target)


# 5, 6 and 9: texts of 10 MB


def texts_parts(work: str, measure: Callable[[str, str], list[Line]]) -> Parts:
    for name, language in TEXTS.items():
        for vocab in VOCABULARIES:
            yield f"{work} {language}, {vocab}", lambda n=name, v=vocab: measure(n, v)


def texts(bench: Bench, name: str, vocab: str) -> dict[str, Any]:
    settings = {"path": str(bench.text(name)), **bench.vocabulary(vocab)}
    return bench.once("texts", **settings, repeat=bench.repeat, huggingface=True)


def against(row: int, work: str, done: dict[str, Any], names: tuple[str, str], target: Target | None) -> Line:
    """One named sample against another; a line that says so where the peer is missing."""
    ours, peer = names
    megabytes = done.get("megabytes", 0)
    cell = seconds(done["samples"][ours], megabytes)
    who = peer.split()[0]
    if who in done.get("missing", {}):
        return Line(row, work, cell, verdict=f"skipped: {done['missing'][who]}")
    peers = done["samples"][peer]
    return judged(row, work, cell, f"{who} {seconds(peers, megabytes)}", faster(done["samples"][ours], peers), target)


def row_5(bench: Bench) -> Parts:
    def measure(name: str, vocab: str) -> list[Line]:
        done = texts(bench, name, vocab)
        work = f"encode {done['megabytes']:.1f} MB {TEXTS[name]}, {vocab}, first time seen"
        target = Target(1.3, 2) if name == "en10.txt" else Target(1.0, 1.5)
        set_up = Line(5, f"once before, {vocab}: tables, on 31 kB of drawn words", seconds(done["samples"]["set-up"]))
        return [against(5, work, done, ("first", "tiktoken"), target), set_up]

    return texts_parts("encode, first time seen:", measure)


def row_6(bench: Bench) -> Parts:
    def measure(name: str, vocab: str) -> list[Line]:
        done = texts(bench, name, vocab)
        work = f"encode {done['megabytes']:.1f} MB {TEXTS[name]}, {vocab}, again"
        targets = {"tiktoken": Target(3), "huggingface": Target(20)}
        return [against(6, work, done, ("again", peer), target) for peer, target in targets.items()]

    return texts_parts("encode again:", measure)


def row_9(bench: Bench) -> Parts:
    def measure(name: str, vocab: str) -> list[Line]:
        done = texts(bench, name, vocab)
        work = f"decode {done['megabytes']:.1f} MB {TEXTS[name]}, {vocab}, from"
        return [
            against(9, f"{work} {kind}", done, (f"decode {kind}", "tiktoken decode"), Target(1.3))
            for kind in ("list", "array")
        ]

    return texts_parts("decode", measure)


# 7: long words


def row_7(bench: Bench) -> Parts:
    for vocab in VOCABULARIES:
        yield f"long words, {vocab}", lambda v=vocab: long_words(bench, v)


def long_words(bench: Bench, vocab: str) -> list[Line]:
    limits = {1000: 0.1, 10_000: 0.8} if bench.quick else {100_000: 0.1, 1_000_000: 0.8}
    settings = {"path": str(bench.text("en10.txt")), **bench.vocabulary(vocab)}
    done = bench.task("long_words", **settings, lengths=list(limits), repeat=bench.repeat, limit=300)
    found, beaten = [], set()
    for name, ours in done["samples"].items():
        kind, length = name.rsplit(", ", 1)
        target = Target(limits[int(length)], at_most=True, unit=" s")
        beside, peer = "not tried: too slow before", None
        if kind not in beaten:
            beside, peer = long_word_beside(bench, settings, kind, int(length), done["digests"][name])
        if peer is None:
            beaten.add(kind)
        ratio = f"{faster(ours, [peer]):.2f}x" if peer else ""
        work = f"one word of {int(length):,} characters: {kind}, {vocab}"
        value = median(sample[CPU] for sample in ours)
        found.append(judged(7, work, seconds(ours), f"tiktoken {beside}", value, target, ratio))
    return found


def long_word_beside(
    bench: Bench, settings: dict[str, str], kind: str, length: int, digest: str
) -> tuple[str, list[float] | None]:
    """What tiktoken makes of a long word: a cell, and its sample if it came to an end; Unequal for other ids."""
    try:
        done = bench.task("long_word_tiktoken", **settings, kind=kind, length=length, limit=TIKTOKEN_LIMIT)
    except Skip as reason:
        return str(reason), None
    if done["digest"] != digest:
        raise Unequal(f"ids of ours and tiktoken's differ for one word of {length} characters, {kind}")
    return seconds([done["sample"]]), done["sample"]


# 8: short strings


def row_8(bench: Bench) -> Parts:
    for vocab in VOCABULARIES:
        yield f"short strings, {vocab}", lambda v=vocab: short_strings(bench, v)


def short_strings(bench: Bench, vocab: str) -> list[Line]:
    settings = {"path": str(bench.text("en10.txt")), **bench.vocabulary(vocab)}
    lengths, characters = [20, 100, 1000], 10_000 if bench.quick else 400_000
    done = bench.task("short_strings", **settings, lengths=lengths, characters=characters, repeat=bench.repeat)
    return [
        short_line(done, vocab, length, call, Target(1.3, at_most=True) if length == 20 else None)
        for length in lengths
        for call in ("encode", "encode_ordinary")
    ]


def short_line(done: dict[str, Any], vocab: str, length: int, call: str, target: Target | None) -> Line:
    work = f"{call}, strings of about {length} characters, {vocab}, a call"
    ours = microseconds(done["samples"][f"{length}, {call}"])
    if "tiktoken" in done["missing"]:
        return Line(8, work, f"{ours:.1f} µs", verdict=f"skipped: {done['missing']['tiktoken']}")
    peer = microseconds(done["samples"][f"{length}, tiktoken {call}"])
    return judged(8, work, f"{ours:.1f} µs", f"tiktoken {peer:.1f} µs", ours / peer, target)


def microseconds(samples: list[list[float]]) -> float:
    return 1e6 * median(sample[CPU] for sample in samples)


# 10: two workers


def row_10(bench: Bench) -> Parts:
    yield "counting and training with two workers", lambda: counting(bench)
    yield "encode_batch with two workers", lambda: batch(bench)


def counting(bench: Bench) -> list[Line]:
    path = bench.text("en100.txt")
    done = bench.task("counting", path=str(path), pattern="gpt2", vocab_size=bench.vocab_size, repeat=bench.repeat)
    size = f"{path.stat().st_size / 1e6:.0f} MB, two workers"
    return [
        two_workers(f"counting, {size}", done["samples"], "count", Target(1.5)),
        two_workers(f"counting, {size} in a pool that is kept", done["samples"], "count", Target(1.5), kept=True),
        two_workers(f"counting and merging, {size}", done["samples"], "train", None),
    ]


def batch(bench: Bench) -> list[Line]:
    settings = {"path": str(bench.text("en100.txt")), **bench.vocabulary("r50k")}
    done = bench.task("batch", **settings, characters=50_000_000, repeat=bench.repeat)
    work = f"encode_batch, {done['megabytes']:.0f} MB in documents, r50k, two workers"
    return [
        two_workers(work, done["samples"], "batch", Target(1.5)),
        two_workers(f"{work} in a pool that is kept", done["samples"], "batch", Target(1.5), kept=True),
    ]


def two_workers(work: str, samples: dict[str, Any], name: str, target: Target | None, kept: bool = False) -> Line:
    two, one = samples[f"{name} kept"][1:] if kept else samples[f"{name} 2"], samples[f"{name} 1"]
    cells = [f"{median(sample[WALL] for sample in runs):.3f} s wall" for runs in (two, one)]
    return judged(10, work, cells[0], f"one worker {cells[1]}", faster(two, one, WALL), target)


ROWS: dict[int, Callable[[Bench], Parts]] = {
    1: row_1, 2: row_2, 3: row_3, 4: row_4, 5: row_5, 6: row_6, 7: row_7, 8: row_8, 9: row_9, 10: row_10
}  # fmt: skip
