"""`tinylm eval`: how well a trained model predicts a text."""

import argparse
import json
import math
from typing import Any

import numpy as np

from tinylm.checkpoint import CheckpointError, load
from tinylm.cli.errors import UsageError
from tinylm.corpus import TextError, read_documents
from tinylm.prepare import END, encode_documents
from tinylm.train import bits_per_byte, evaluate

__all__ = ["add"]

EPILOG = """A token is predicted from what stands before it in its window of block_size tokens; windows do not
overlap. Bits per byte compares models with different tokenizers; loss and perplexity do not.

examples:
  tinylm eval run my.txt
  tinylm eval run my.txt --json"""


def add(commands: Any) -> None:
    command: argparse.ArgumentParser = commands.add_parser(
        "eval",
        help="loss, perplexity and bits per byte of a text",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("folder", metavar="RUN", help="the folder of a run")
    command.add_argument("file", metavar="FILE", nargs="+", help="UTF-8 text")
    command.add_argument("--batch-size", type=int, default=16, metavar="N", help="windows at a time (default 16)")
    command.add_argument("--json", action="store_true", help="print one JSON object")
    command.add_argument("--device", choices=("numpy", "cupy"), help="where to run (default: TINYLM_DEVICE or numpy)")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    if arguments.batch_size < 1:
        raise UsageError(f"--batch-size must be 1 or more, got {arguments.batch_size}")
    model, tokenizer = load(arguments.folder, arguments.device)
    documents = read_documents(arguments.file)
    ids = encode_documents(tokenizer, documents)
    end = tokenizer.special_tokens.get(END)
    if end is not None:  # a document begins after an end of text, so its first token is predicted, its own end not
        ids = np.concatenate((np.array([end], dtype=ids.dtype), ids[:-1]))
    if len(ids) < 2:
        raise TextError("the text is too short: there is nothing to predict")
    size = len(tokenizer.decode_bytes(int(i) for i in ids[1:] if i != end))
    loss = evaluate(model, ids, arguments.batch_size, model.config.block_size)
    if not math.isfinite(loss):
        raise CheckpointError(f"{arguments.folder}: the loss is {loss}: the weights are damaged, or training diverged")
    predicted = len(ids) - 1
    results = {
        "tokens": predicted,
        "bytes": size,
        "loss": loss,
        "perplexity": math.exp(loss) if loss < 700 else math.inf,
        "bits_per_byte": bits_per_byte(loss, predicted, size),
    }
    if arguments.json:
        print(json.dumps(results))
        return 0
    print(f"tokens          {predicted:,} ({size:,} bytes)")
    print(f"loss            {loss:.4f} nats per token")
    print(f"perplexity      {results['perplexity']:.2f}")
    print(f"bits per byte   {results['bits_per_byte']:.4f}")
    return 0
