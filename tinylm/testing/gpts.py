"""Small GPTs of every kind, and settings of optimizers and of sampling."""

from typing import Any

import numpy as np

from tinylm.gpt import GPT, GPTConfig
from tinylm.testing.drawing import st

__all__ = ["gpt_configs", "models", "optimizer_settings", "sampling_settings"]


@st.composite
def gpt_configs(draw: Any, vocab_size: int | None = None, dropout: bool = False) -> Any:
    """Small configurations in all valid combinations: V ≤ 11, context ≤ 6, 2 layers, 4 heads of up to 4 features.

    vocab_size   V instead of a drawn one.   dropout: whether there may be some

    Shrinks to one id, one position, one layer and one head of one feature, GPT-2's kind.
    """
    G, groups = draw(st.integers(1, 2)), draw(st.integers(1, 2))
    H = G * groups
    position = draw(st.sampled_from(["learned", "rope"]))
    D = draw(st.integers(1, 2)) * (2 if position == "rope" else 1)
    say_so = draw(st.booleans())
    return GPTConfig(
        vocab_size=draw(st.integers(1, 11)) if vocab_size is None else vocab_size,
        block_size=draw(st.integers(1, 6)),
        n_layer=draw(st.integers(1, 2)),
        n_head=H,
        n_embd=H * D,
        n_kv_head=None if G == H and not say_so else G,
        dropout=draw(st.sampled_from([0.0, 0.5])) if dropout else 0.0,
        bias=not draw(st.booleans()),
        tie_weights=not draw(st.booleans()),
        norm=draw(st.sampled_from(["layer", "rms"])),
        position=position,
        mlp=draw(st.sampled_from(["gelu", "gelu_tanh", "swiglu"])),
        mlp_hidden=draw(st.sampled_from([None, 3])),
    )


@st.composite
def models(draw: Any, config: Any = None, dtype: Any = np.float64) -> Any:
    """GPTs with weights of a drawn seed, scaled up so that attention and mlp count; see gpt_configs."""
    model = GPT(draw(gpt_configs() if config is None else config), seed=draw(st.integers(0, 3)), dtype=dtype)
    model.load_state_dict({name: 10 * array for name, array in model.state_dict().items()})  # 0.02 hides most faults
    return model


def optimizer_settings() -> Any:
    """Settings of AdamW, among them none of each: no momentum, no decay, lr = 0.

    Shrinks to lr = 0.001 without momentum, memory of squares or decay: a step of lr against the gradient's sign.
    """
    return st.fixed_dictionaries(
        {
            "lr": st.sampled_from([1e-3, 0.1, 0.0]),
            "betas": st.tuples(st.sampled_from([0.0, 0.9]), st.sampled_from([0.0, 0.95, 0.999])),
            "eps": st.sampled_from([1e-8, 1e-3]),
            "weight_decay": st.sampled_from([0.0, 0.1]),
        }
    )


def sampling_settings() -> Any:
    """Settings of `tinylm.sample.generate`: greedy, hot, and every filter or none; shrinks to temperature 1 alone."""
    return st.fixed_dictionaries(
        {
            "temperature": st.sampled_from([1.0, 0.5, 2.0, 0.0]),
            "top_k": st.sampled_from([None, 1, 2, 1000]),
            "top_p": st.sampled_from([None, 0.5, 0.9, 1.0]),
            "min_p": st.sampled_from([None, 0.0, 0.25, 1.0]),
            "repetition_penalty": st.sampled_from([1.0, 1.5]),
        }
    )
