"""Our own settings, noted in a file that we wrote for others: the way back gives the very model that was exported.

GPT-2 elsewhere always has biases, where a model of ours may have none: they are written as zeros, and dropped again.
"""

from collections.abc import Callable, Mapping
from typing import Any

from tinylm.formats.description import Stored
from tinylm.formats.names import Layout, places, theirs
from tinylm.gpt import GPTConfig

__all__ = ["OURS", "restored"]

OURS = "tinylm"  # the key under which our settings stand in the files of others


def restored(
    noted: Any, layout: Layout, arrays: Mapping[str, Stored], agrees: Callable[[GPTConfig], bool]
) -> tuple[GPTConfig, dict[str, Stored]] | None:
    """The config that was noted, and the arrays that it has; None where the file no longer says the same.

    agrees: whether a config, written anew, gives what the file says elsewhere
    """
    try:
        config = GPTConfig.from_dict(noted)
        if not agrees(config) or config.n_layer > len(arrays):
            return None
        wanted = {name for place in places(config, layout) for name in place.arrays}
        wanted |= set(theirs("lm_head", "weight", layout))
    except (ValueError, TypeError):
        return None
    extra = [name for name in arrays if name not in wanted and not name.endswith(layout.ignored)]
    if any(not name.endswith(".bias") or arrays[name].numpy().any() for name in extra):
        return None
    return config, {name: array for name, array in arrays.items() if name not in extra}
