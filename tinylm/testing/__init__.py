"""Strategies that draw what a language model is made of, and laws that it must obey.

    must_hold(laws.softmax_ignores_shifts, my_softmax)                    # draws, and shows the smallest counterexample
    laws.softmax_ignores_shifts(my_softmax, x=np.zeros((1, 2)), shift=1.0)  # on inputs of your own
    must_hold(law, adapters.torch_model(module, vocab_size=50, block_size=16))   # for law in laws_of("model")

Strategies need Hypothesis: pip install 'tinylm[course]'. Laws on inputs of your own need nothing.
"""

from importlib import import_module
from typing import Any

HOMES = {
    "operands": "arrays axes broadcastable broadcastable_shapes matmul_operands numbers shapes",
    "indexing": "indices masks",
    "tokens": "logits probabilities targets token_ids",
    "law": "Law LawBroken LawDoesNotApply check_law law_named laws_of must_hold",
    "mistakes": "InputError",
    "kinds": "BPETrainer Coder Differentiable LanguageModel Library Sampler Trainer",
    "frequency": "FrequencyTest",
    "bpe": "bpe_merges tokenizers",
    "gpts": "gpt_configs models optimizer_settings sampling_settings",
    "text": "byte_strings corpora split_points texts",
}
"""Module -> the names that it offers here; each is imported when it is first asked for."""

_HOME = {name: module for module, names in HOMES.items() for name in names.split()}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name in ("adapters", "laws"):
        return import_module(f"{__name__}.{name}")
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(f"{__name__}.{_HOME[name]}")
    globals()[name] = value = getattr(module, name)
    return value


def __dir__() -> list[str]:
    return [*globals(), *__all__, "adapters", "laws"]
