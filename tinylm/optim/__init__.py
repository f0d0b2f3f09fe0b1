"""Optimizers: how parameters follow their gradients; knows nothing of models or losses."""

from tinylm.optim.adamw import AdamW
from tinylm.optim.clip import Clipped, clip_grad_norm
from tinylm.optim.optimizer import Optimizer, Updated, decay_groups
from tinylm.optim.sgd import SGD

__all__ = ["SGD", "AdamW", "Clipped", "Optimizer", "Updated", "clip_grad_norm", "decay_groups"]
