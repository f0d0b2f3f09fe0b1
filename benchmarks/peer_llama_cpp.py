"""llama.cpp, by way of llama-cpp-python, with a GGUF file, to be measured against."""

from collections.abc import Callable, Iterator
from typing import Any

import llama_cpp


def contender(settings: dict[str, Any]) -> dict[str, Callable[[], Iterator[Any]]]:
    found: list[llama_cpp.Llama] = []
    n = settings["threads"]

    def load() -> Iterator[None]:
        file, threads = settings["model_file"], {"n_threads": n, "n_threads_batch": n}
        found.append(llama_cpp.Llama(file, n_ctx=1024, n_batch=512, n_gpu_layers=0, verbose=False, **threads))
        yield None

    def tokens(count: int) -> Iterator[int]:
        model = found[0]
        model.reset()
        ids = settings["ids"][:count]
        while True:
            model.eval(ids)
            token = model.sample(temp=0.0)
            ids = [token]
            yield int(token)

    def decoding() -> Iterator[int]:
        made = tokens(settings["prompt"])
        next(made)
        return made

    def prefill() -> Iterator[int]:
        while True:
            yield next(tokens(settings["prefill"]))

    return {"load": load, "decode": decoding, "prefill": prefill}
