"""The problems by topic, one file each; importing this makes them known, in the order of a course."""

from importlib import import_module

ORDER = (
    # tokenizer and data
    "special",
    "splitting",
    "training",
    "ties",
    "encoding",
    "decoding",
    "data",
    # operations
    "activation",
    "softmax",
    "normalization",
    "dropout",
    "linear",
    "loss",
    "arithmetic",
    "reduction",
    "embedding",
    # attention, autograd, model
    "attention",
    "position",
    "shape",
    "autograd",
    "spelled",
    "model",
    # optimizer, sampling
    "optimizer",
    "schedule",
    "filters",
    "sampling",
)

for _name in ORDER:
    import_module(f"{__name__}.{_name}")
