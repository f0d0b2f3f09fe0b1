"""The laws of tinylm.testing tried on libraries of others: which hold, and the smallest inputs for which one does not.

    python benchmarks/laws_of_others.py [--only micrograd jax ...] [--tries 100] [--all]

What is not installed is skipped, and said so. A law that does not hold is not always a fault: what is meant to be so
is marked "by design", with where it is said. Every counterexample in KNOWN was checked by hand.
"""

import argparse
import shutil
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from importlib import metadata
from typing import Any

from laws_of_others_subjects import SUBJECTS, Subject

from tinylm.testing import LawDoesNotApply, check_law, laws_of

KNOWN = {  # (subject, law, or "" for all of its laws) → what there is to say of it
    ("micrograd", "plain_numbers_mix_in"): "x ** 0 is 1 there and its slope 0; 0 · x ** -1 is computed all the same",
    ("micrograd", "deep_graphs_work"): "the graph is walked by recursion",
    ("micrograd", "backward_twice_adds"): "by design: gradients stay on every node, so a graph is for one pass",
    ("mygrad maximum(x, x)", ""): "deliberate in its code: a tie belongs to neither argument",
    ("jax x ** y", ""): "with y traced, 0 · x ** -1 is computed; defended in jax-ml/jax#12409",
    (
        "autograd sqrt(x * x)",
        "",
    ): "as in all five tried, ours among them: sqrt has an infinite slope at 0, and times 0 that is NaN",
    ("jax sqrt(x * x)", ""): "as autograd",
    ("mygrad sqrt(x * x)", ""): "as autograd",
    ("torch sqrt(x * x)", ""): "as autograd",
    ("tokenizers, prefix space", ""): "by design, and the default: a space is put before every text",
    ("tokenizers, words", ""): "by design: this splitter drops white space",
    ("tokenizers, training", ""): "by design: special tokens are known only after training; in a corpus they are text",
    ("sentencepiece", ""): "by design: NFKC, and white space is joined and trimmed",
    ("transformers", "top_k_keeps_k"): "by design: what equals the k-th logit is kept too",
}


def rows(subject: Subject, tries: int) -> Iterator[tuple[str, Any]]:
    """(law, what came of it) for every law of the subject's topics that applies."""
    adapter = subject.make()
    for law in subject.laws or [each for topic in subject.topics for each in laws_of(topic)]:
        try:
            yield law.name, check_law(law, adapter, tries=min(tries, subject.tries), **subject.inputs())
        except LawDoesNotApply as reason:
            yield law.name, reason


def version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def said(name: str, law: str, tried: Any) -> str:
    """A counterexample and what is known of it, in one cell of a table."""
    inputs = repr(tried).split("\n", 2)[1].strip()
    reason = tried.reason.removeprefix("AssertionError: ").partition("\n")[0]
    note = KNOWN.get((name, law)) or KNOWN.get((name, ""), "")
    return f"`{inputs}`: {reason}{f' ({note})' if note else ''}".replace("|", "\\|")


def report(subjects: list[Subject], tries: int, everything: bool, tell: Callable[[str], None] = print) -> int:
    """Print the table; returns how many laws did not hold."""
    tell("| library | version | law | |")
    tell("| --- | --- | --- | --- |")
    broken, holding = 0, dict[str, list[int]]()
    for subject in subjects:
        number = version(subject.package)
        if not number:
            tell(f"| {subject.name} | not installed | skipped | pip install {subject.package} |")
            continue
        if subject.program and shutil.which(subject.program) is None:
            tell(f"| {subject.name} | {number} | skipped | {subject.program} is not installed |")
            continue
        began, held, away = time.perf_counter(), [], []
        try:
            for law, tried in rows(subject, tries):
                if isinstance(tried, LawDoesNotApply):
                    away.append(law)
                elif tried.held:
                    held.append(law)
                else:
                    broken += 1
                    tell(f"| {subject.name} | {number} | {law} | {said(subject.name, law, tried)} |")
        except ImportError as problem:
            tell(f"| {subject.name} | {number} | skipped | {problem} |")
            continue
        holding.setdefault(subject.package, []).append(len(held))
        if everything:
            more = f"; do not apply: {', '.join(away)}" if away else ""
            tell(f"| {subject.name} | {number} | {len(held)} laws | hold: {', '.join(held)}{more} |")
        print(f"{subject.name}: {time.perf_counter() - began:.0f} s", file=sys.stderr)
    for package, counts in holding.items():
        tell(f"| {package} | {version(package)} | {sum(counts)} laws | hold, in {len(counts)} parts |")
    return broken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", nargs="*", metavar="NAME", help="subjects whose names begin so")
    parser.add_argument("--tries", type=int, default=100)
    parser.add_argument("--all", action="store_true", help="name the laws that hold, too")
    given = parser.parse_args()
    warnings.simplefilter("ignore")  # of the libraries; what they return is judged
    chosen = [s for s in SUBJECTS if given.only is None or any(s.name.startswith(each) for each in given.only)]
    report(chosen, given.tries, given.all)


if __name__ == "__main__":
    main()
