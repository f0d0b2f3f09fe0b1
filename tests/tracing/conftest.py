"""A small model, a tokenizer and a trace of everything that they do, made once for each module."""

import numpy as np
import pytest

import tinylm
from tinylm import GPT, GPTConfig, optim
from tokenizer import train_bpe

TEXT = "low low low lower newest newest widest the new low"


def small(**settings) -> GPT:
    return GPT(
        GPTConfig(**{"vocab_size": 270, "block_size": 8, "n_layer": 2, "n_head": 2, "n_embd": 8, **settings}), seed=3
    )


def everything(model: GPT, *, steps: int = 2, **settings):
    """A trace of training a tokenizer, encoding, two updates and three choices."""
    optimizer = optim.AdamW(optim.decay_groups(model, 0.1), lr=1e-2)
    with tinylm.trace(model, **settings) as trace:
        tok = train_bpe([TEXT], 264)
        ids = np.array([tok.encode(TEXT)[:8]])
        for _ in range(steps):
            optimizer.zero_grad()
            _, loss = model(ids[:, :-1], ids[:, 1:])
            loss.backward()
            optim.clip_grad_norm(model.parameters(), 0.5)
            optimizer.step()
        list(tinylm.sample.generate(model, ids[0, :3], 3, temperature=0.7, top_k=40, top_p=0.9, min_p=0.01,
                                    repetition_penalty=1.3, seed=1))  # fmt: skip
    return trace


@pytest.fixture(scope="module")
def traced():
    return everything(small())
