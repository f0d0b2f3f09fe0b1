"""Data, style and scripts as one HTML file that asks nobody for anything; knows nothing of models."""

import json
import re
from importlib.resources import files
from typing import Any

__all__ = ["SCRIPTS", "asset", "page", "script"]

# In the order in which they stand in the page; each uses what stands before it.
MATHEMATICS = (
    "unpack.js", "arithmetic.js", "model.js", "backward.js", "update.js", "choose.js", "encode.js",
)  # fmt: skip
SCRIPTS = (
    *MATHEMATICS,
    "elements.js", "numbers.js", "heat.js", "tokens.js", "cards.js", "receipts.js",
    "steps_shared.js", "steps_text.js", "steps_attention.js", "steps_heads.js", "steps_mlp.js", "steps_logits.js",
    "sliders.js", "funnel.js", "steps_choice.js", "steps_training.js", "steps_weight.js", "steps_update.js",
    "app.js", "main.js",
)  # fmt: skip


def asset(name: str) -> str:
    """One of the files that make up the page."""
    return files("tinylm.explore").joinpath("assets", name).read_text("utf-8")


def script(names: tuple[str, ...] = SCRIPTS) -> str:
    """The scripts one after the other, each under its name."""
    return "\n".join(f"// ---- {name}\n{asset(name)}" for name in names)


def embedded(document: Any) -> str:
    """JSON that cannot end the element it stands in, whatever texts it holds."""
    text = json.dumps(document, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def page(document: dict[str, Any], weights: str) -> str:
    """The whole file: what `gather` found, and the program that walks through it."""
    parts = {"style": asset("page.css"), "data": embedded(document), "weights": weights, "script": script()}
    pieces = re.split(r"\{\{(\w+)\}\}", asset("page.html"))  # text, name, text, name, ..., text
    pieces[1::2] = [parts[name] for name in pieces[1::2]]
    return "".join(pieces)
