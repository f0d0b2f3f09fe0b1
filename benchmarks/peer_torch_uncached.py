"""PyTorch without a cache, to be measured against: nanoGPT's way to sample, the whole text for each token."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

from tinylm.bench.torch_peer import Twin


def contender(settings: dict[str, Any]) -> dict[str, Callable[[], Iterator[int]]]:
    torch.set_num_threads(settings["threads"])
    model = Twin(**settings["shape"])
    with np.load(settings["weights"]) as file, torch.no_grad():
        for name, p in model.named_parameters():
            p.copy_(torch.from_numpy(file[name].T if ".c_" in name else file[name]))
        prompt = torch.from_numpy(file["prompt"])[None]

    def decode(ids: Any) -> Iterator[int]:
        while True:
            with torch.no_grad():
                token = model(ids)[:, -1].argmax(-1, keepdim=True)
            ids = torch.cat((ids, token), dim=1)
            yield int(token)

    def decoding() -> Iterator[int]:
        next(tokens := decode(prompt[:, : settings["prompt"]]))
        return tokens

    prefill = iter(lambda: next(decode(prompt[:, : settings["prefill"]])), None)
    return {"decode": decoding, "prefill": lambda: prefill}
