"""The model in a GGUF file: its values in all their spellings, and what is refused by name."""

import numpy as np
import pytest

from tests.formats.random_models import FIXTURES, IDS
from tinylm import CheckpointError, no_grad
from tinylm.formats import load_model
from tinylm.formats.export import export
from tinylm.formats.gguf import read_gguf
from tinylm.formats.gguf_write import write_gguf
from tinylm.formats.restore import OURS


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A Llama's values and arrays, as a GGUF file has them."""
    path = tmp_path_factory.mktemp("gguf") / "m.gguf"
    export(load_model(FIXTURES / "llama"), path, "gguf")
    file = read_gguf(path)
    values = {name: value for name, value in file.metadata.items() if name != OURS}
    return values, {name: tensor.numpy() for name, tensor in file.tensors.items()}


def loaded(written, tmp_path, changes=None, arrays=None, without=()):
    values = {k: v for k, v in {**written[0], **(changes or {})}.items() if k not in without}
    tensors = {k: v for k, v in {**written[1], **(arrays or {})}.items() if k not in without}
    write_gguf(tmp_path / "m.gguf", values, tensors)
    return load_model(tmp_path / "m.gguf")


def logits(found) -> np.ndarray:
    with no_grad():
        return found.model(IDS)[0].numpy()


def test_without_our_settings_it_is_the_model_that_it_was(written, tmp_path) -> None:
    wanted = np.load(FIXTURES / "llama" / "logits.npy")
    found = loaded(written, tmp_path)
    np.testing.assert_allclose(logits(found), wanted, rtol=0, atol=2e-5)
    assert found.kind == "gguf"
    plain = loaded(written, tmp_path, without=["llama.attention.key_length", "llama.attention.value_length",
                                               "llama.rope.dimension_count", "llama.rope.freq_base",
                                               "llama.vocab_size"])  # fmt: skip
    assert (logits(plain) == logits(found)).all()


def test_a_head_count_may_stand_there_once_for_every_layer(written, tmp_path) -> None:
    once = loaded(written, tmp_path)
    each = loaded(written, tmp_path, {"llama.attention.head_count": np.array([4, 4], np.int32)})
    assert each.model.config == once.model.config


def test_a_missing_output_matrix_is_the_embedding(written, tmp_path) -> None:
    found = loaded(written, tmp_path, without=["output.weight"])
    assert found.model.config.tie_weights


@pytest.mark.parametrize(
    ("changes", "scaling"),
    [
        ({"llama.rope.scaling.type": "linear", "llama.rope.scaling.factor": 2.0}, {"type": "linear", "factor": 2.0}),
        ({"llama.rope.scale_linear": 3.0}, {"type": "linear", "factor": 3.0}),
        ({"llama.rope.scaling.type": "none"}, None),
        (
            {"llama.rope.scaling.type": "yarn", "llama.rope.scaling.factor": 4.0,
             "llama.rope.scaling.original_context_length": 16},
            {"type": "yarn", "factor": 4.0, "original_context": 16.0, "beta_fast": 32.0, "beta_slow": 1.0,
             "attention_factor": 0.0, "truncate": True},
        ),
    ],
)  # fmt: skip
def test_scaling_of_positions_comes_from_the_file(changes, scaling, written, tmp_path) -> None:
    assert loaded(written, tmp_path, changes).model.config.rope_scaling == scaling


def test_divisors_of_frequencies_are_llama_3s(written, tmp_path) -> None:
    found = loaded(written, tmp_path, arrays={"rope_freqs.weight": np.array([1, 2, 8], np.float32)})
    assert found.model.config.rope_scaling == {"type": "divisors", "divisors": [1.0, 2.0, 8.0]}


def test_a_window_limits_the_context_and_says_so(written, tmp_path) -> None:
    found = loaded(written, tmp_path, {"llama.attention.sliding_window": 16})
    assert found.model.config.block_size == 16
    assert "limited to 16" in found.notes[0]


def test_begin_and_end_come_from_the_file(written, tmp_path) -> None:
    changes = {"tokenizer.ggml.bos_token_id": 5, "tokenizer.ggml.add_bos_token": True,
               "tokenizer.ggml.eos_token_id": 7, "tokenizer.ggml.eot_token_id": 8,
               "tokenizer.chat_template": "{{ x }}"}  # fmt: skip
    found = loaded(written, tmp_path, changes)
    assert (found.start, found.beginning, found.stops, found.chat_template) == ([5], [5], (7, 8), "{{ x }}")


@pytest.mark.parametrize(
    ("changes", "without", "message"),
    [
        ({"general.architecture": "mamba"}, [], "architecture 'mamba'; supported are llama, qwen2, gpt2"),
        ({}, ["general.architecture"], "supported are llama, qwen2, gpt2"),
        ({}, ["llama.block_count"], "llama.block_count must be a whole number"),
        ({"llama.block_count": "two"}, [], "llama.block_count must be a whole number"),
        ({"llama.block_count": 3}, [], "there is no array blk.2.attn_norm.weight"),
        ({"llama.block_count": 1 << 40}, [], "1099511627776 layers, but"),
        ({"llama.attention.head_count": np.array([4, 2], np.int32)}, [], "the same for all layers"),
        ({"llama.attention.layer_norm_rms_epsilon": float("nan")}, [], "must be a number"),
        ({}, ["llama.attention.layer_norm_rms_epsilon"], "must be a number"),
        ({"llama.expert_count": 8}, [], "mixtures of experts are not built here"),
        ({"llama.rope.dimension_count": 2}, [], "all of a head"),
        ({"llama.attention.value_length": 4}, [], "that of keys"),
        ({"llama.rope.scaling.type": "longrope"}, [], "rope scaling 'longrope'; supported are none, linear, yarn"),
        ({"llama.embedding_length": 32}, [], "has shape (270, 24), the config says (270, 32)"),
        ({"split.count": 3}, [], "one of 3 parts; join them"),
        ({}, ["token_embd.weight"], "there is no table token_embd.weight"),
        ({}, ["blk.1.ffn_up.weight"], "there is no array blk.1.ffn_up.weight"),
        ({"tokenizer.ggml.model": "bert"}, [], "bert"),
    ],
)
def test_what_is_missing_or_not_supported_is_named(changes, without, message, written, tmp_path) -> None:
    with pytest.raises(CheckpointError) as caught:
        loaded(written, tmp_path, changes, without=without)
    assert message in str(caught.value)
    assert str(tmp_path / "m.gguf") in str(caught.value)


def test_an_array_that_belongs_to_no_part_is_named(written, tmp_path) -> None:
    with pytest.raises(CheckpointError, match=r"blk\.0\.attn_q_norm\.weight is no part of a GGUF llama model"):
        loaded(written, tmp_path, arrays={"blk.0.attn_q_norm.weight": np.ones(6, np.float32)})
