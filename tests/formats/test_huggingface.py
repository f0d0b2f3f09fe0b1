"""Hugging Face folders: logits of published architectures, and config.json in all its spellings."""

import json
import shutil

import numpy as np
import pytest

import tinylm
from tests.formats.random_models import COMMITTED, FIXTURES, IDS, MODELS, SMALL, make
from tinylm import CheckpointError, no_grad
from tinylm.formats import load_model
from tinylm.formats.huggingface_config import config_of
from tinylm.storage import read_json

CLOSE = 2e-5  # float32 sums of some dozen products of order 1, in another order: some units of the last place of 6


def logits_of(model) -> np.ndarray:
    with no_grad():
        return model(IDS)[0].numpy()


@pytest.mark.parametrize("name", COMMITTED)
def test_logits_are_those_that_transformers_gave(name) -> None:
    loaded = load_model(FIXTURES / name)
    wanted = np.load(FIXTURES / name / "logits.npy")
    np.testing.assert_allclose(logits_of(loaded.model), wanted, rtol=0, atol=CLOSE)
    assert loaded.model.dtype == np.float32
    assert (loaded.kind, loaded.stops, loaded.start, loaded.beginning) == ("huggingface", (269,), [], [269])
    assert loaded.tokenizer.decode(loaded.tokenizer.encode("the cat")) == "the cat"


def test_load_gives_model_and_tokenizer() -> None:
    model, tokenizer = tinylm.load(FIXTURES / "llama")
    assert (model.config.norm, tokenizer.vocab_size) == ("rms", 270)


def test_float64_keeps_what_the_file_has_and_computes_in_more_places() -> None:
    wanted = np.load(FIXTURES / "llama" / "logits.npy")
    loaded = load_model(FIXTURES / "llama", dtype="float64")
    assert logits_of(loaded.model).dtype == np.float64
    np.testing.assert_allclose(logits_of(loaded.model), wanted, rtol=0, atol=CLOSE)


@pytest.mark.parametrize("name", ["llama", "llama3"])
def test_the_older_keys_of_config_json_mean_the_same(name, tmp_path) -> None:
    folder = tmp_path / name
    shutil.copytree(FIXTURES / name, folder)
    document = read_json(folder / "config.json")
    rope = document.pop("rope_parameters")
    document["rope_theta"] = rope.pop("rope_theta")
    rope["type"] = rope.pop("rope_type")
    document["rope_scaling"] = None if rope["type"] == "default" else rope
    document["torch_dtype"] = document.pop("dtype")
    del document["head_dim"]
    (folder / "config.json").write_text(json.dumps(document))
    assert (logits_of(load_model(folder).model) == logits_of(load_model(FIXTURES / name).model)).all()


def config(**changes):
    document = read_json(FIXTURES / "llama" / "config.json") | changes
    return config_of({k: v for k, v in document.items() if v != "absent"}, FIXTURES / "config.json")


def test_absent_keys_have_the_defaults_of_the_format() -> None:
    found, layout, notes = config(num_key_value_heads="absent", rms_norm_eps="absent", rope_parameters="absent",
                                  tie_word_embeddings="absent", head_dim="absent", hidden_act="absent")  # fmt: skip
    assert (found.kv_heads, found.norm_eps, found.rope_base, found.tie_weights) == (4, 1e-6, 10000.0, False)
    assert (layout, notes) == ("llama", ())


def test_a_sliding_window_limits_the_context_and_says_so() -> None:
    found, _, notes = config(model_type="mistral", sliding_window=16)
    assert found.block_size == 16
    assert "limited to 16" in notes[0]
    found, _, notes = config(model_type="mistral", sliding_window=None)
    assert (found.block_size, notes) == (64, ())
    found, _, notes = config(model_type="qwen2", sliding_window=16, use_sliding_window=False)
    assert (found.block_size, notes) == (64, ())
    found, _, notes = config(model_type="qwen2", sliding_window=16, use_sliding_window=True)
    assert found.block_size == 16
    found, _, _ = config(model_type="mistral", sliding_window="absent", max_position_embeddings=9999)
    assert found.block_size == 4096  # the default of the format


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "mamba", "architectures": ["MambaForCausalLM"]}, "supported are gpt2, llama"),
        ({"model_type": ["llama"]}, "supported are gpt2, llama"),
        ({"hidden_size": "absent"}, "hidden_size must be a whole number, got None"),
        ({"hidden_size": 24.0}, "hidden_size must be a whole number, got 24.0"),
        ({"num_attention_heads": True}, "num_attention_heads must be a whole number, got True"),
        ({"num_attention_heads": 0}, "n_head must be a whole number from 1 up, got 0"),
        ({"num_attention_heads": 5, "num_key_value_heads": 3}, "n_head 5 is not divisible by n_kv_head 3"),
        ({"hidden_act": "gelu"}, "hidden_act 'gelu' is not supported, only 'silu'"),
        ({"rms_norm_eps": "1e-5"}, "rms_norm_eps must be a number"),
        ({"rms_norm_eps": 1e400}, "rms_norm_eps must be a number"),
        ({"attention_bias": 1}, "attention_bias must be true or false"),
        ({"rope_parameters": [1]}, "rope_parameters must be an object"),
        ({"rope_parameters": {"rope_type": "longrope", "rope_theta": 1e4}}, "rope_type 'longrope'; supported are"),
        ({"rope_parameters": {"rope_type": "linear"}}, "rope_scaling factor must be a number above 0"),
        ({"rope_parameters": {"full_attention": {"rope_theta": 1e4}}}, "differ from layer to layer"),
        ({"partial_rotary_factor": 0.5}, "partial_rotary_factor 0.5 is not supported"),
        ({"rope_parameters": {"rope_type": "yarn", "factor": 2.0, "mscale": 1.0}}, "mscale"),
    ],
)
def test_what_would_change_the_numbers_is_refused_by_name(changes, message) -> None:
    with pytest.raises(CheckpointError, match=r"config\.json: ") as caught:
        config(**changes)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"activation_function": "swish"}, "activation_function 'swish'; supported are gelu_new"),
        ({"scale_attn_by_inverse_layer_idx": True}, "scale_attn_by_inverse_layer_idx True is not supported"),
        ({"scale_attn_weights": False}, "scale_attn_weights False is not supported"),
        ({"n_inner": 2.5}, "n_inner must be a whole number"),
    ],
)
def test_what_gpt2_may_not_be(changes, message) -> None:
    with pytest.raises(CheckpointError) as caught:
        config_of(read_json(FIXTURES / "gpt2" / "config.json") | changes, FIXTURES / "config.json")
    assert message in str(caught.value)


# -- the folder --------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    shutil.copytree(FIXTURES / "llama", tmp_path / "model")
    return tmp_path / "model"


def change(path, **changes) -> None:
    document = read_json(path) if path.exists() else {}
    path.write_text(json.dumps(document | changes))


def test_ends_come_from_all_files_and_the_template_too(folder) -> None:
    change(folder / "config.json", eos_token_id=[7, 8])
    change(folder / "generation_config.json", eos_token_id=9)
    change(folder / "tokenizer_config.json", eos_token={"content": "<|end|>"}, bos_token="<|end|>", chat_template="x")
    found = load_model(folder)
    assert found.stops == (7, 8, 9, 269)
    assert (found.bos_token, found.eos_token, found.chat_template) == ("<|end|>", "<|end|>", "x")
    assert found.prompt("the") == found.tokenizer.encode("the")
    change(folder / "tokenizer_config.json", add_bos_token=True)
    assert load_model(folder).start == [269]
    named = [{"name": "tool", "template": "t"}, {"name": "default", "template": "d"}]
    change(folder / "tokenizer_config.json", chat_template=named)
    assert load_model(folder).chat_template == "d"
    (folder / "chat_template.jinja").write_text("{{ file }}")
    assert load_model(folder).chat_template == "{{ file }}"


def test_what_the_post_processor_puts_first_goes_before_every_text(folder) -> None:
    single = [{"SpecialToken": {"id": "<|end|>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]
    step = {"type": "TemplateProcessing", "single": single, "pair": [], "special_tokens": {}}
    change(folder / "tokenizer.json", post_processor={"type": "Sequence", "processors": [{"type": "ByteLevel"}, step]})
    found = load_model(folder)
    assert (found.start, found.beginning) == ([269], [269])
    assert found.prompt("the cat") == [269, *found.tokenizer.encode("the cat")]


@pytest.mark.parametrize(
    ("file", "changes", "message"),
    [
        ("config.json", {"num_hidden_layers": 3}, "no array model.layers.2.input_layernorm.weight"),
        ("config.json", {"num_hidden_layers": 10**9}, "1000000000 layers, but 21 arrays only"),
        ("config.json", {"num_hidden_layers": 1}, "model.layers.1.input_layernorm.weight is no part of a Hugging Face"),
        ("config.json", {"intermediate_size": 1 << 50}, "gate_proj.weight has shape (40, 24), the config says"),
        ("config.json", {"vocab_size": 269}, "the tokenizer has 270 ids, the model 269"),
        (
            "config.json",
            {"vocab_size": 271},
            "embed_tokens.weight has shape (270, 24), the config says (271, 24)",
        ),
        ("config.json", {"attention_bias": True}, "no array model.layers.0.self_attn.q_proj.bias"),
        ("tokenizer.json", {"model": {}}, "tokenizer.json"),
        ("generation_config.json", None, "not JSON"),
    ],
)
def test_files_that_do_not_fit_each_other(folder, file, changes, message) -> None:
    if changes is None:
        (folder / file).write_text("{")
    else:
        change(folder / file, **changes)
    with pytest.raises(CheckpointError) as caught:
        load_model(folder)
    assert message in str(caught.value)


@pytest.mark.parametrize(("file", "message"), [("tokenizer.json", "there is no tokenizer.json"),
                                               ("model.safetensors", "there is no model.safetensors")])  # fmt: skip
def test_missing_files_are_named(folder, file, message) -> None:
    (folder / file).unlink()
    with pytest.raises(CheckpointError, match=message):
        load_model(folder)


def test_a_pickle_is_never_read(folder, tmp_path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match=r"pytorch_model\.bin is a pickle, which is never read"):
        load_model(folder)
    (tmp_path / "model.pt").write_bytes(b"PK\x03\x04 and more")
    with pytest.raises(CheckpointError, match="a pickle, of PyTorch, which is never read"):
        load_model(tmp_path / "model.pt")


@pytest.mark.parametrize("name", [name for name in MODELS if name not in COMMITTED])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.torch
def test_logits_are_those_of_transformers_live(name, dtype, tmp_path) -> None:
    pytest.importorskip("transformers")
    logits = make(name, tmp_path, seed=1, dtype=dtype, shard="20KB" if dtype == "bfloat16" else "5GB")
    assert (tmp_path / "model.safetensors.index.json").exists() == (dtype == "bfloat16")
    np.testing.assert_allclose(logits_of(load_model(tmp_path).model), logits, rtol=0, atol=CLOSE)


@pytest.mark.torch
def test_float16_weights_are_widened(tmp_path) -> None:
    pytest.importorskip("transformers")
    logits = make("gpt2", tmp_path, seed=2, dtype="float16")
    np.testing.assert_allclose(logits_of(load_model(tmp_path).model), logits, rtol=0, atol=CLOSE)


def test_small_shapes_are_as_the_fixtures_have_them() -> None:
    assert read_json(FIXTURES / "llama" / "config.json")["hidden_size"] == SMALL["hidden_size"]
