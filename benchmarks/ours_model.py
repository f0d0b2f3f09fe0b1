"""tinylm with a published model, as a contender: loading it, reading a prompt, decoding."""

from collections.abc import Callable, Iterator
from typing import Any


def contender(settings: dict[str, Any]) -> dict[str, Callable[[], Iterator[Any]]]:
    found: list[Any] = []

    def load() -> Iterator[None]:
        from tinylm.formats import load_model

        found.append(load_model(settings["gguf"], device="numpy", keep_quantised=settings.get("keep", False)).model)
        yield None

    def tokens(count: int) -> Iterator[int]:
        from tinylm.sample import generate

        return generate(found[0], settings["ids"][:count], settings["new"], temperature=0)

    def decoding() -> Iterator[int]:
        made = tokens(settings["prompt"])
        next(made)
        return made

    def prefill() -> Iterator[int]:
        while True:
            yield next(tokens(settings["prefill"]))

    return {"load": load, "decode": decoding, "prefill": prefill}
