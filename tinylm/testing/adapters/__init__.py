"""Adapters: what makes other people's code into what the laws ask of (kinds.py). Nothing is imported before it is used.

tensors     libraries of automatic differentiation: PyTorch, JAX, MyGrad, tinygrad, minitorch, needle, micrograd ...
functions   functions of arrays and models: PyTorch's modules, CS336's run_..., ours
coders      tokenizers and their trainers: Hugging Face's, tiktoken's, sentencepiece's, minbpe's kind, CS336's, ours
runs        training and sampling: PyTorch's, transformers', ours
"""

from tinylm.testing.adapters.coders import (
    cs336_coder,
    cs336_trainer,
    huggingface_coder,
    huggingface_trainer,
    minbpe_coder,
    minbpe_trainer,
    rustbpe_trainer,
    sentencepiece_coder,
    tiktoken_coder,
    tinylm_coder,
    tinylm_trainer,
)
from tinylm.testing.adapters.functions import (
    cs336_functions,
    tinylm_function,
    tinylm_model,
    torch_function,
    torch_model,
)
from tinylm.testing.adapters.runs import (
    tinylm_sampler,
    tinylm_training,
    torch_clipping,
    torch_sampler,
    torch_training,
    transformers_filters,
)
from tinylm.testing.adapters.tensors import (
    autograd_library,
    jax_library,
    minitorch_library,
    mygrad_library,
    needle_library,
    tensor_library,
    tinygrad_library,
    tinylm_library,
    torch_library,
    value_library,
    vjp_library,
)

__all__ = [
    "autograd_library",
    "cs336_coder",
    "cs336_functions",
    "cs336_trainer",
    "huggingface_coder",
    "huggingface_trainer",
    "jax_library",
    "minbpe_coder",
    "minbpe_trainer",
    "minitorch_library",
    "mygrad_library",
    "needle_library",
    "rustbpe_trainer",
    "sentencepiece_coder",
    "tensor_library",
    "tiktoken_coder",
    "tinygrad_library",
    "tinylm_coder",
    "tinylm_function",
    "tinylm_library",
    "tinylm_model",
    "tinylm_sampler",
    "tinylm_trainer",
    "tinylm_training",
    "torch_clipping",
    "torch_function",
    "torch_library",
    "torch_model",
    "torch_sampler",
    "torch_training",
    "transformers_filters",
    "value_library",
    "vjp_library",
]
