"""Tensors, the graph and the backward pass."""
