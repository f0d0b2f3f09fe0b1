"""transformers, to be measured against: its GPT-2 with the same weights, biases of zero and exact GELU."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from transformers import GPT2Config, GPT2LMHeadModel


def contender(settings: dict[str, Any]) -> dict[str, Callable[[], Iterator[int]]]:
    torch.set_num_threads(settings["threads"])
    shape = {name: settings["shape"][name] for name in ("n_layer", "n_head", "n_embd", "vocab_size")}
    config = GPT2Config(**shape, n_positions=settings["shape"]["block_size"], activation_function="gelu")
    model = GPT2LMHeadModel(config).eval()
    with np.load(settings["weights"]) as file, torch.no_grad():
        for name, p in model.transformer.named_parameters():
            p.copy_(torch.from_numpy(file[name])) if name in file.files else p.zero_()
        prompt = torch.from_numpy(file["prompt"])[None]

    def decode(ids: Any) -> Iterator[int]:
        kept = None
        while True:
            with torch.no_grad():
                output = model(ids, past_key_values=kept, use_cache=True, logits_to_keep=1)
            kept, ids = output.past_key_values, output.logits[:, -1].argmax(-1, keepdim=True)
            yield int(ids)

    def decoding() -> Iterator[int]:
        next(tokens := decode(prompt[:, : settings["prompt"]]))
        return tokens

    prefill = iter(lambda: next(decode(prompt[:, : settings["prefill"]])), None)
    return {"decode": decoding, "prefill": lambda: prefill}
