"""The choice of one token with sliders, as an element for a notebook: recomputed in the page, no widget needed."""

import html
import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinylm.choose import Choice
from tinylm.explore.document import script
from tinylm.show import Picture
from tinylm.show.labels import Token, written

__all__ = ["sampling_sliders"]

SCRIPTS = ("choose.js", "notebook_sliders.js")
STYLE = """.tinylm-sliders{font:14px/1.4 system-ui,sans-serif;color:inherit;max-width:46em}
.tinylm-sliders .controls{display:grid;grid-template-columns:repeat(auto-fit,minmax(19em,1fr));gap:.2em 1.5em}
.tinylm-sliders label{display:grid;grid-template-columns:9.5em 1fr 6em;align-items:center;gap:.5em}
.tinylm-sliders input{width:100%;min-width:0;accent-color:#0072b2}
.tinylm-sliders input:focus-visible{outline:2px solid #d55e00;outline-offset:2px}
.tinylm-sliders output{font-variant-numeric:tabular-nums}
.tinylm-sliders .said{font-weight:bold;margin:.7em 0 1.2em}
.tinylm-sliders .line{display:flex;position:relative;height:1.7em;border:1px solid currentColor}
.tinylm-sliders .line span{overflow:hidden;white-space:pre;text-align:center;box-sizing:border-box;
border-right:1px solid currentColor}
.tinylm-sliders .line .token{background:#d55e00;color:#000}
.tinylm-sliders .line .rest{background:repeating-linear-gradient(45deg,#8886,#8886 4px,#0000 4px,#0000 8px)}
.tinylm-sliders .line i{position:absolute;top:-1.35em;transform:translateX(-50%);font-style:normal}
.tinylm-sliders table{width:100%;border-collapse:collapse;margin:.8em 0;table-layout:fixed}
.tinylm-sliders caption{text-align:left;opacity:.8}
.tinylm-sliders td,.tinylm-sliders th{padding:.1em .5em;text-align:left;background:none;color:inherit;border:0;
white-space:pre;overflow:hidden;text-overflow:ellipsis;font-weight:inherit}
.tinylm-sliders th:nth-child(1){width:26%}.tinylm-sliders th:nth-child(3){width:4.6em}
.tinylm-sliders th:nth-child(4){width:5.6em}
.tinylm-sliders tr.chosen{font-weight:bold}
.tinylm-sliders .bar{display:block;height:.9em;background:#0072b2;min-width:1px;box-sizing:border-box;
outline:1px solid #8888}
.tinylm-sliders tr.chosen .bar{background:#d55e00}
.tinylm-sliders .gone{background:repeating-linear-gradient(45deg,#888,#888 2px,#0000 2px,#0000 6px)!important}"""


def sampling_sliders(
    logits: Any,
    labels: Sequence[Token],
    *,
    seen: Sequence[int] = (),
    choice: Choice | None = None,
    uniform: float = 0.5,
    most: int = 12,
) -> Picture:
    """One row of logits under sliders: temperature, top-k, top-p, min-p, repetition penalty, and the number drawn.

    logits: (V,)   labels: V tokens   seen: the ids before, which the repetition penalty looks at
    choice: where the sliders stand at first; None: temperature 1 and nothing else   uniform: from 0 up to 1
    most: how many tokens have a row, the likeliest

    The element holds the numbers and the program; it asks nobody for anything, and works wherever HTML with scripts
    is shown (in Jupyter: in a notebook that is trusted). Every slider can be moved with the arrow keys. What it shows
    is what `tinylm.choose.Choice(...)` does with the same settings. Raises ValueError for logits that are not one row
    of finite numbers with a label each.
    """
    row = np.asarray(logits, dtype=np.float64)
    if row.ndim != 1 or not row.size or not np.isfinite(row).all():
        raise ValueError(f"sampling_sliders: expected one row of finite logits, got an array of shape {row.shape}")
    if len(labels) != len(row):
        raise ValueError(f"sampling_sliders: {len(row)} logits need as many labels, got {len(labels)}")
    if not 0 <= uniform < 1:
        raise ValueError(f"sampling_sliders: uniform is a number from 0 up to 1, got {uniform}")
    first = choice or Choice()
    at = {
        "temperature": first.temperature,
        "topK": len(row) if first.top_k is None else min(first.top_k, len(row)),
        "topP": 1.0 if first.top_p is None else first.top_p,
        "minP": 0.0 if first.min_p is None else first.min_p,
        "penalty": first.repetition_penalty,
        "uniform": uniform,
    }
    data = {
        "logits": row.tolist(),
        "labels": [written(label) for label in labels],
        "seen": [int(i) for i in seen],
        "most": min(most, len(row)),
        "at": at,
    }
    text = html.escape(json.dumps(data, ensure_ascii=True, separators=(",", ":")))
    element = (
        f'<div class="tinylm-sliders" data-choice="{text}">The sliders need JavaScript; trust the notebook.</div>\n'
        f"<style>{STYLE}</style>\n<script>(() => {{\n{script(SCRIPTS)}\n}})();</script>"
    )
    return Picture(element, f"sliders for the choice of one of {len(row)} tokens")
