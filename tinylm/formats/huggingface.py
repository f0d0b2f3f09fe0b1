"""Hugging Face folders: weights, tokenizer, special tokens and chat template around a config.json."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tinylm.checkpoint import AnyTokenizer
from tinylm.formats.description import Description, Stored
from tinylm.formats.export_huggingface import huggingface_config
from tinylm.formats.huggingface_config import config_of, shown
from tinylm.formats.names import LAYOUTS
from tinylm.formats.restore import OURS, restored
from tinylm.formats.safetensors import check_ordinary, read_sharded
from tinylm.gpt import GPTConfig
from tinylm.storage import CheckpointError, read_json
from tokenizer import Tokenizer, TokenizerError, read_huggingface_tokenizer

__all__ = ["describe_folder", "read_tokenizer"]

MOST_TEMPLATE = 1 << 20  # characters


def describe_folder(folder: Path, tokenizer: AnyTokenizer | None = None) -> Description:
    """The model in a Hugging Face folder.

    tokenizer: to use instead of the folder's. Raises CheckpointError for what is missing, damaged or not supported.
    """
    document = _json(folder / "config.json", required=True)
    config, layout, notes = config_of(document, folder / "config.json")
    arrays: dict[str, Stored] = dict(read_sharded(folder)[0])
    if layout == "gpt2":  # with a head, its model stands under a name of its own
        arrays = {name.removeprefix("transformer."): array for name, array in arrays.items()}
    if OURS in document:
        back = restored(document[OURS], LAYOUTS[layout], arrays, lambda ours: _says_the_same(ours, document))
        config, arrays = back or (config, arrays)
    settings = _json(folder / "tokenizer_config.json")
    tokenizer = tokenizer or read_tokenizer(folder)
    bos, eos = (_token(settings.get(name)) for name in ("bos_token", "eos_token"))
    return Description(
        kind="huggingface",
        config=config,
        layout=LAYOUTS[layout],
        arrays=arrays,
        tokenizer=tokenizer,
        start=_start(folder, tokenizer, settings.get("add_bos_token"), bos),
        stops=_stops(tokenizer, document, _json(folder / "generation_config.json"), eos),
        chat_template=_template(folder, settings),
        bos_token=bos,
        eos_token=eos,
        notes=notes,
    )


def _says_the_same(ours: GPTConfig, document: Mapping[str, Any]) -> bool:
    """Whether config.json is still as it was written for this config."""
    written, _, _ = huggingface_config(ours)
    return all(document.get(name) == value for name, value in written.items())


def _json(path: Path, required: bool = False) -> dict[str, Any]:
    """The object in a file; {} where it may be missing and is."""
    if not path.exists() and not required:
        return {}
    if path.exists():
        check_ordinary(path)
    return read_json(path)


def read_tokenizer(folder: Path) -> AnyTokenizer:
    """The tokenizer of a folder: tokenizer.json, or GPT-2's vocab.json and merges.txt."""
    try:
        if (folder / "tokenizer.json").exists():
            check_ordinary(folder / "tokenizer.json")
            return read_huggingface_tokenizer(folder / "tokenizer.json")
        if (folder / "vocab.json").exists() and (folder / "merges.txt").exists():
            for name in ("vocab.json", "merges.txt"):
                check_ordinary(folder / name)
            return Tokenizer.from_gpt2(folder / "vocab.json", folder / "merges.txt")
    except TokenizerError as problem:
        raise CheckpointError(str(problem)) from None
    model = (folder / "tokenizer.model").exists()
    hint = "; tokenizer.model is SentencePiece's own file, which is not read" if model else ""
    raise CheckpointError(f"{folder}: there is no tokenizer.json, and no vocab.json with merges.txt{hint}")


def _token(value: object) -> str | None:
    """The spelling of a special token: a text, or an object with its content."""
    content = value.get("content") if isinstance(value, dict) else value
    return content if isinstance(content, str) else None


def _start(folder: Path, tokenizer: AnyTokenizer, add_bos: object, bos: str | None) -> tuple[int, ...]:
    """What goes before every text: what tokenizer.json's post-processor puts there, or bos where so said."""
    specials = tokenizer.special_tokens
    step = _json(folder / "tokenizer.json").get("post_processor")
    steps = step.get("processors") if isinstance(step, dict) and step.get("type") == "Sequence" else [step]
    for each in steps if isinstance(steps, list) else []:
        if isinstance(each, dict) and each.get("type") == "TemplateProcessing" and isinstance(each.get("single"), list):
            found: list[int] = []
            for part in each["single"]:
                special = part.get("SpecialToken") if isinstance(part, dict) else None
                name = special.get("id") if isinstance(special, dict) else None
                if not isinstance(name, str):
                    return tuple(found)
                if name not in specials:
                    file = folder / "tokenizer.json"
                    raise CheckpointError(f"{file}: its post-processor puts {shown(name)}, which is no token")
                found.append(specials[name])
    return (specials[bos],) if add_bos is True and bos in specials else ()


def _stops(tokenizer: AnyTokenizer, *sources: Any) -> tuple[int, ...]:
    """All ids that the files name as ends: numbers, lists of them, or a special token's spelling."""
    found: list[int] = []
    for source in sources:
        value = source.get("eos_token_id") if isinstance(source, dict) else tokenizer.special_tokens.get(source or "")
        found += [i for i in (value if isinstance(value, list) else [value]) if type(i) is int and i >= 0]
    return tuple(dict.fromkeys(found))


def _template(folder: Path, settings: Mapping[str, Any]) -> str | None:
    """chat_template.jinja, or the template in tokenizer_config.json; of several the one named default."""
    file = folder / "chat_template.jinja"
    if file.exists():
        check_ordinary(file)
        return file.read_bytes()[:MOST_TEMPLATE].decode("utf-8", "replace")
    template = settings.get("chat_template")
    if isinstance(template, list):
        named = [each for each in template if isinstance(each, dict) and each.get("name") == "default"]
        template = named[-1].get("template") if named else None
    return template if isinstance(template, str) and len(template) <= MOST_TEMPLATE else None
