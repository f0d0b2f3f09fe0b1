"""`tinylm doctor`: what is installed, what can be used, and what to type for the rest."""

import argparse
import importlib.metadata
import importlib.util
import os
import platform
from pathlib import Path
from typing import Any

import tinylm
import tokenizer
from tinylm.backend import available, device_name
from tinylm.backend.threads import blas_architectures, threads

__all__ = ["add", "report", "tokenizer_is_ours"]

OPTIONAL = {  # package: (extra that installs it, what it is for)
    "hypothesis": ("test", "property tests"),
    "pytest": ("test", "running the tests"),
    "torch": ("peers", "comparison only"),
    "tokenizers": ("peers", "comparison only"),
    "tiktoken": ("peers", "comparison only"),
}


def add(commands: Any) -> None:
    command: argparse.ArgumentParser = commands.add_parser(
        "doctor", help="say what is installed and whether a GPU can be used", description=__doc__
    )
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    lines, healthy = report()
    print("\n".join(lines))
    return 0 if healthy else 1


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def tokenizer_is_ours(module: Any = tokenizer) -> str | None:
    """None where the package `tokenizer` is this project's, else what happened and what to do.

    Another package on the index has the same import name and silently overwrites this one.
    """
    ours = Path(tinylm.__file__).resolve().parents[1] / "tokenizer"
    found = Path(getattr(module, "__file__", None) or "nowhere").resolve().parent
    if found == ours and all(hasattr(module, name) for name in ("Tokenizer", "train_bpe", "merges", "PATTERNS")):
        return None
    return (
        f"the package 'tokenizer' that Python finds, {found}, is not this project's: another package of that name "
        "was installed; type: pip uninstall tokenizer, then install tinylm again with --force-reinstall"
    )


def report() -> tuple[list[str], bool]:
    """The lines to show, and whether everything that is needed works."""
    lines = [
        f"tinylm {tinylm.__version__}, Python {platform.python_version()}, {platform.machine()}, "
        f"{os.cpu_count()} processors"
    ]
    for package in ("numpy", "regex", "safetensors", "threadpoolctl", "tqdm"):
        lines.append(f"  needed    {package:<13} {_version(package) or 'MISSING: pip install tinylm'}")
    for package, (extra, purpose) in OPTIONAL.items():
        state = _version(package) or f'not installed ({purpose}): pip install "tinylm[{extra}]"'
        lines.append(f"  optional  {package:<13} {state}")
    gpu = available("cupy")
    lines.append(f"  device    numpy         usable ({_blas()})")
    if gpu is None:
        lines.append(f"  device    cupy          usable: {device_name('cupy')}; type: tinylm train --device cupy")
    else:
        lines.append(f"  device    cupy          not usable: {gpu}")
    wanted = os.environ.get("TINYLM_DEVICE")
    if wanted:
        reason = available(wanted)
        lines.append(f"  TINYLM_DEVICE is {wanted!r}" + (f": {reason}" if reason else ""))
    stranger = tokenizer_is_ours()
    if stranger:
        lines.append(f"  problem   {stranger}")
    return lines, stranger is None


def _blas() -> str:
    import numpy as np

    try:
        build: Any = np.show_config(mode="dicts")
        blas = build["Build Dependencies"]["blas"]
        name = f"{blas['name']} {blas['version']}"
    except (KeyError, TypeError):
        name = "an unknown library"
    kinds = ", ".join(f"its kernels for {kind}" for kind in blas_architectures())
    return f"matrix products by {name}{', ' * bool(kinds)}{kinds}; threads: {threads()}"
