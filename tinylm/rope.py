"""Rotary positions stretched beyond the context that a model was trained with: how published models slow their waves.

A model's `rope_scaling` is one of

    {"type": "linear", "factor": 2.0}                                  Chen et al. 2023: positions divided by the factor
    {"type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_context": 8192}
    {"type": "yarn", "factor": 4.0, "original_context": 4096}          Peng et al. 2023; also beta_fast, beta_slow,
                                                                       attention_factor, truncate
    {"type": "divisors", "divisors": [1.0, 1.0, 8.0, ...]}             of each of the D/2 frequencies, as in a GGUF
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from tinylm import functional as F
from tinylm.autograd import Tensor
from tinylm.backend import backend_of

__all__ = ["check_scaling", "frequencies", "scaled_rotary"]

MOST = 1e9  # of any of the numbers: a larger one is a damaged file
NUMBERS: dict[str, dict[str, float | None]] = {
    "linear": {"factor": None},
    "llama3": {"factor": None, "low_freq_factor": None, "high_freq_factor": None, "original_context": None},
    "yarn": {"factor": None, "original_context": None, "beta_fast": 32.0, "beta_slow": 1.0, "attention_factor": 0.0},
}  # setting -> default, None where it must be given; attention_factor 0 means that of the paper


def check_scaling(scaling: Mapping[str, Any], head_size: int) -> dict[str, Any]:
    """The scaling with its defaults filled in; raises ValueError for another type, and for settings out of range."""
    kind = scaling.get("type")
    if kind == "divisors":
        divisors = scaling.get("divisors")
        if not isinstance(divisors, (list, tuple)) or len(divisors) != head_size // 2:
            raise ValueError(f"rope_scaling divisors: expected a list of {head_size // 2} numbers, half the head size")
        return {"type": kind, "divisors": [_number("divisors", value) for value in divisors]}
    if not isinstance(kind, str) or kind not in NUMBERS:
        raise ValueError(f"rope_scaling type must be one of {', '.join(NUMBERS)}, divisors; got {kind!r}")
    known = NUMBERS[kind]
    checked: dict[str, Any] = {"type": kind}
    truncate = scaling.get("truncate", True)
    for name in scaling:
        if name != "type" and name not in known and not (kind == "yarn" and name == "truncate"):
            raise ValueError(f"rope_scaling of type {kind} has no setting {name}; known are {', '.join(known)}")
    for name, default in known.items():
        if name not in scaling and default is None:
            raise ValueError(f"rope_scaling of type {kind} needs {name}")
        checked[name] = _number(name, scaling.get(name, default), zero=name == "attention_factor")
    if kind == "yarn":
        if not isinstance(truncate, bool):
            raise ValueError(f"rope_scaling truncate must be true or false, got {truncate!r}")
        checked["truncate"] = truncate
    if kind == "llama3" and checked["high_freq_factor"] <= checked["low_freq_factor"]:
        raise ValueError("rope_scaling: high_freq_factor must be above low_freq_factor")
    return checked


def _number(name: str, value: object, zero: bool = False) -> float:
    good = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not good or not (0 <= value <= MOST and (zero or value > 0)):  # type: ignore[operator]
        raise ValueError(f"rope_scaling {name} must be a number above 0, got {value!r}")
    return float(value)  # type: ignore[arg-type]


def frequencies(head_size: int, base: float, scaling: Mapping[str, Any]) -> tuple[np.ndarray, float]:
    """By how many radians a position turns each pair of features, and by what cosines and sines are multiplied.

        fᵢ = base^(−i/h) / dᵢ        h = D/2

    linear: d = factor. llama3: d = 1 for waves shorter than original_context / high_freq_factor, d = factor for those
    longer than original_context / low_freq_factor, in between 1/d goes linearly with the turns made in the context.
    yarn: d = 1 for pairs that turn more than beta_fast times in the original context, factor for those below beta_slow,
    in between 1/d goes linearly with i; all is multiplied by 0.1 ln(factor) + 1.

    →   (D/2,) in float64, and a number        Llama 3.1's model card; Peng et al. 2023, sec. 3.2 to 3.4
    """
    h = head_size // 2
    plain = base ** (-np.arange(h, dtype=np.float64) / max(h, 1))  # (D/2,)
    kind = scaling["type"]
    if kind == "divisors":
        return plain / np.array(scaling["divisors"]), 1.0
    slowed = plain / scaling["factor"]
    if kind == "linear":
        return slowed, 1.0
    context = scaling["original_context"]
    if kind == "llama3":
        low, high = scaling["low_freq_factor"], scaling["high_freq_factor"]
        turns = context * plain / (2 * math.pi)  # of a pair, in the original context
        kept = np.clip((turns - low) / (high - low), 0.0, 1.0)
        return kept * plain + (1 - kept) * slowed, 1.0
    first, last = (_pair_that_turns(n, base, h, context) for n in (scaling["beta_fast"], scaling["beta_slow"]))
    if scaling["truncate"]:
        first, last = math.floor(first), math.ceil(last)
    first, last = max(first, 0), min(last, 2 * h - 1)
    kept = 1 - np.clip((np.arange(h) - first) / max(last - first, 1e-3), 0.0, 1.0)
    scale = scaling["attention_factor"] or (0.1 * math.log(scaling["factor"]) + 1 if scaling["factor"] > 1 else 1.0)
    return kept * plain + (1 - kept) * slowed, scale


def _pair_that_turns(times: float, base: float, h: int, context: float) -> float:
    """The i, in fractions, whose pair makes so many turns in the context: context · base^(−i/h) = 2π · times."""
    return h * math.log(context / (times * 2 * math.pi)) / math.log(base)


def scaled_rotary(x: Tensor, positions: np.ndarray, waves: np.ndarray, scale: float) -> Tensor:
    """As F.rotary, with the frequencies given: (yᵢ, yᵢ₊ₕ) = scale · (xᵢ cos a − xᵢ₊ₕ sin a, xᵢ₊ₕ cos a + xᵢ sin a).

    x: (..., T, D)   positions: (..., T)   waves: (D/2,)   →   y: (..., T, D),   a = position · wave
    """
    angles = positions[..., None] * waves  # (..., T, D/2), on the host in float64: far positions stay exact
    move = backend_of(x.data).from_host
    cos, sin = (Tensor(move((scale * wave).astype(x.dtype))) for wave in (np.cos(angles), np.sin(angles)))
    half = x.shape[-1] // 2
    first, second = x[..., :half], x[..., half:]
    return F.concatenate((first * cos - second * sin, second * cos + first * sin), axis=-1)
