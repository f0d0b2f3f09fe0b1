"""The PyTorch side of the twin is imported by its own test only: it has no doctests, and torch may be missing."""

collect_ignore = ["torch_twin.py"]
