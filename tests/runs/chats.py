"""A small model, a tokenizer with special tokens, and conversations whose answers are written beforehand."""

import numpy as np

from tests.templates.families import CHATML
from tinylm import GPT, GPTConfig
from tinylm.chat import Chat
from tokenizer import Tokenizer

NAMES = ("<|im_start|>", "<|im_end|>", "<s>", "</s>", "<|user|>")
TOKENIZER = Tokenizer.from_merges(
    {byte: bytes([byte]) for byte in range(256)} | {256: b"\n\n", 257: b"hi"}, [(b"\n", b"\n"), (b"h", b"i")], NAMES
)
START, END = TOKENIZER.special_tokens["<|im_start|>"], TOKENIZER.special_tokens["<|im_end|>"]
SETTINGS = {"template": CHATML, "stops": [END], "bos_token": "<s>", "eos_token": "</s>"}


def small_model():
    shape = {
        "n_layer": 2,
        "n_head": 2,
        "n_embd": 16,
        "norm": "rms",
        "position": "rope",
        "dropout": 0.2,
        "tie_weights": False,
    }
    made = GPT(GPTConfig(TOKENIZER.vocab_size, 700, **shape), seed=3)
    for parameter in made.parameters():
        parameter.data[:] *= 1 if parameter.ndim == 1 else 12  # so that texts are not one token over and over
    return made


class Scripted:
    """In place of Memory: the answers are these ids, whatever is shown, and what was shown is noted."""

    def __init__(self, *answers):
        self.answers, self.shown, self.said = [list(answer) for answer in answers], [], []

    def logits(self, ids):
        if not self.said or len(ids) != len(self.shown[-1]) + len(self.said):
            self.shown.append(list(ids))
            self.said = []
        answer = self.answers[len(self.shown) - 1]
        self.said.append(answer[len(self.said)] if len(self.said) < len(answer) else END)
        logits = np.zeros(TOKENIZER.vocab_size)
        logits[self.said[-1]] = 1.0
        return logits


def scripted(model, *answers, **changes):
    """A conversation whose answers are these texts (or ids), and what the model was shown."""
    chat = Chat(model, TOKENIZER, **{**SETTINGS, "temperature": 0.0, **changes})
    chat._memory = Scripted(*(TOKENIZER.encode(a) if isinstance(a, str) else a for a in answers))
    return chat, chat._memory.shown
