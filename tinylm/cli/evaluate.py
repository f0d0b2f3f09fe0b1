"""`tinylm eval`: how well a trained model predicts a text."""

import argparse
import json
import math
import sys
from typing import Any

import numpy as np

from tinylm.checkpoint import CheckpointError
from tinylm.cli.errors import UsageError
from tinylm.corpus import TextError, read_documents
from tinylm.formats import load_model
from tinylm.prepare import encode_documents, end_of_text
from tinylm.train import bits_per_byte, evaluate

__all__ = ["add"]

LONGEST = 1024  # tokens of a window, where nothing is said: more memory than most have goes into 16 longer ones

EPILOG = """A token is predicted from what stands before it in its window; windows do not overlap, and are as long as
the model's context, but at most 1024 tokens if --context does not say so. Bits per byte compares models with different
tokenizers; loss and perplexity do not.

examples:
  tinylm eval run my.txt
  tinylm eval run my.txt --json
  tinylm eval model.gguf my.txt --context 2048 --batch-size 4"""


def add(commands: Any) -> None:
    command: argparse.ArgumentParser = commands.add_parser(
        "eval",
        help="loss, perplexity and bits per byte of a text",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("model", metavar="MODEL", help="a run folder, or another model that tinylm loads")
    command.add_argument("file", metavar="FILE", nargs="+", help="UTF-8 text")
    command.add_argument("--batch-size", type=int, default=16, metavar="N", help="windows at a time (default 16)")
    command.add_argument("--context", type=int, metavar="N", help="tokens of a window")
    command.add_argument("--json", action="store_true", help="print one JSON object")
    command.add_argument("--device", choices=("numpy", "cupy"), help="where to run (default: TINYLM_DEVICE or numpy)")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    if arguments.batch_size < 1:
        raise UsageError(f"--batch-size must be 1 or more, got {arguments.batch_size}")
    loaded = load_model(arguments.model, device=arguments.device)
    for note in loaded.notes:
        print(f"tinylm: note: {note}", file=sys.stderr)
    model, tokenizer = loaded.model, loaded.tokenizer
    longest = model.config.block_size
    if arguments.context is not None and not 1 <= arguments.context <= longest:
        raise UsageError(f"--context must be from 1 to {longest}, the context of this model, got {arguments.context}")
    documents = read_documents(arguments.file)
    ids = encode_documents(tokenizer, documents, loaded.conventions)
    end = end_of_text(tokenizer, loaded.conventions)
    if end is not None and not loaded.start:  # a document begins after an end of text: its first token is predicted too
        ids = np.concatenate((np.array([end], dtype=ids.dtype), ids[:-1]))
    elif end is not None:  # after the token that begins a text
        ids = ids[:-1]
    if len(ids) < 2:
        raise TextError("the text is too short: there is nothing to predict")
    marks = {end, *loaded.start}
    size = len(tokenizer.decode_bytes(int(i) for i in ids[1:] if i not in marks))
    loss = evaluate(model, ids, arguments.batch_size, arguments.context or min(longest, LONGEST))
    if not math.isfinite(loss):
        raise CheckpointError(f"{arguments.model}: the loss is {loss}: the weights are damaged, or training diverged")
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
