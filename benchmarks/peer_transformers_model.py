"""transformers with a published model in a folder, to be measured against."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
import transformers


def contender(settings: dict[str, Any]) -> dict[str, Callable[[], Iterator[Any]]]:
    torch.set_num_threads(settings["threads"])
    found: list[Any] = []

    def load() -> Iterator[None]:
        found.append(transformers.AutoModelForCausalLM.from_pretrained(settings["folder"], dtype=torch.float32).eval())
        yield None

    def tokens(count: int) -> Iterator[int]:
        ids, kept = torch.tensor([settings["ids"][:count]]), None
        while True:
            with torch.no_grad():
                output = found[0](ids, past_key_values=kept, use_cache=True, logits_to_keep=1)
            kept, ids = output.past_key_values, output.logits[:, -1].argmax(-1, keepdim=True)
            yield int(ids)

    def decoding() -> Iterator[int]:
        made = tokens(settings["prompt"])
        next(made)
        return made

    def prefill() -> Iterator[int]:
        while True:
            yield next(tokens(settings["prefill"]))

    return {"load": load, "decode": decoding, "prefill": prefill}
