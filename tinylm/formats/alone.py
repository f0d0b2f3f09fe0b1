"""A model in one safetensors file of our own: weights under our names, and in its metadata all the rest.

tinylm        the version of this form
config        the shape, as JSON
tokenizer     its fingerprint, as in a run's model.safetensors
tokenizer.json    the tokenizer's own file
use           JSON: start, beginning, stops, chat_template, bos_token, eos_token
"""

import json
import tempfile
from pathlib import Path
from typing import Any

from tinylm.formats.description import Description
from tinylm.formats.huggingface_config import shown
from tinylm.formats.model import Loaded, check_ids
from tinylm.formats.names import LAYOUTS
from tinylm.formats.safetensors import StoredArray
from tinylm.gpt import GPTConfig
from tinylm.settings import Conventions
from tinylm.storage import CheckpointError, Narrow, parse_json, to_bytes
from tokenizer import TokenizerError, load_tokenizer
from tokenizer.formats import write_atomically

__all__ = ["VERSION", "describe_alone", "write_alone"]

VERSION = "1"


def write_alone(path: Path, found: Loaded, dtype: Narrow | None = None) -> None:
    """Write a model as one file that `load_model` reads, and whose arrays any reader of safetensors finds."""
    with tempfile.TemporaryDirectory() as folder:
        found.tokenizer.save(Path(folder) / "tokenizer.json")
        spelled = (Path(folder) / "tokenizer.json").read_text("utf-8")
    metadata = {
        "format": "pt",
        "tinylm": VERSION,
        "config": json.dumps(found.model.config.to_dict(), sort_keys=True),
        "tokenizer": found.tokenizer.fingerprint,
        "tokenizer.json": json.dumps(json.loads(spelled), ensure_ascii=False, separators=(",", ":")),
        "use": json.dumps({**found.conventions.to_dict(), "beginning": found.beginning}, sort_keys=True),
    }
    arrays = {name: p.numpy() for name, p in found.model.named_parameters()}
    write_atomically(path, to_bytes(arrays, metadata, dtype))


def describe_alone(path: Path, arrays: dict[str, StoredArray], metadata: dict[str, str]) -> Description:
    """The model in such a file; raises CheckpointError for one that is damaged or of another version."""
    if metadata.get("tinylm") != VERSION:
        raise CheckpointError(f"{path}: version {shown(metadata.get('tinylm'))}, this program reads {VERSION}")
    try:
        config = GPTConfig.from_dict(_object(metadata, "config"))
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "tokenizer.json").write_text(metadata.get("tokenizer.json", ""), "utf-8")
            tokenizer = load_tokenizer(Path(folder) / "tokenizer.json")
        noted = _object(metadata, "use")
        use = Conventions.from_dict(noted)
        beginning = Conventions(start=tuple(noted.get("beginning", ()))).start
        check_ids(config.vocab_size, use.start, beginning, use.stops)
    except (ValueError, TypeError, TokenizerError) as problem:
        text = str(problem).rpartition("tokenizer.json: ")[2]
        raise CheckpointError(f"{path}: {text}") from None
    return Description(
        "safetensors", config, LAYOUTS["ours"], arrays, tokenizer, use.start, beginning, use.stops, use.chat_template,
        use.bos_token, use.eos_token,
    )  # fmt: skip


def _object(metadata: dict[str, str], name: str) -> dict[str, Any]:
    try:
        value = parse_json(metadata.get(name, "").encode())
    except ValueError:
        raise ValueError(f"its metadata's {name} is not JSON") from None
    if not isinstance(value, dict):
        raise ValueError(f"its metadata's {name} is not an object")
    return value
