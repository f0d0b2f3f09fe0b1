"""The model in a llama2.c file, with the tokenizer.bin that lies beside it."""

import os
from pathlib import Path

from tinylm.checkpoint import AnyTokenizer
from tinylm.formats.description import Description, HeldArray
from tinylm.formats.huggingface_config import config_of
from tinylm.formats.llama2c import read_llama2c
from tinylm.formats.names import LAYOUTS
from tinylm.storage import CheckpointError
from tokenizer import SentencePieceTokenizer, TokenizerError

__all__ = ["describe_llama2c"]

BOS, EOS = 1, 2  # karpathy/llama2.c, run.c: a text begins with the one, and ends at either


def describe_llama2c(path: str | os.PathLike[str], tokenizer: AnyTokenizer | None = None) -> Description:
    """The model in a .bin of llama2.c.

    tokenizer: to use instead of the tokenizer.bin, or tokV.bin for a vocabulary of V, in the same folder. Raises
    CheckpointError for what is missing or damaged.
    """
    settings, tensors = read_llama2c(path)
    config, _, notes = config_of({**settings, "model_type": "llama"}, Path(path))
    arrays = {name: HeldArray(name, tensors.shape(name), tensors.__getitem__) for name in tensors}
    return Description(
        kind="llama2.c",
        config=config,
        layout=LAYOUTS["llama2.c"],
        arrays=arrays,
        tokenizer=tokenizer or _beside(Path(path), config.vocab_size),
        start=(BOS,),
        stops=(BOS, EOS),
        notes=notes,
    )


def _beside(path: Path, vocab_size: int) -> AnyTokenizer:
    names = (f"tok{vocab_size}.bin", "tokenizer.bin")
    for name in names:
        if (path.parent / name).is_file():
            try:
                return SentencePieceTokenizer.from_llama2c(path.parent / name)
            except TokenizerError as problem:
                raise CheckpointError(str(problem)) from None
    raise CheckpointError(f"{path}: its tokenizer is missing: put {' or '.join(names)} beside it")
