"""Random small models made by transformers, as folders; needs torch and transformers.

Run as a script it makes the folders in fixtures/ anew, with the logits that transformers gave: what the tests compare
with where neither is installed. The seeds make the weights; another version of torch may draw others.
"""

import json
from pathlib import Path

import numpy as np

from tokenizer import train_bpe

FIXTURES = Path(__file__).with_name("fixtures")
TEXT = "the cat sat on the mat and the dog lay on the log while the rain in Spain stays mainly in the plain " * 3
V, T = 270, 24
IDS = np.random.default_rng(0).integers(0, V, (2, T))

SMALL = {
    "vocab_size": V, "hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 64, "bos_token_id": 0, "eos_token_id": 269,
}  # fmt: skip
LLAMA3 = {
    "rope_type": "llama3", "rope_theta": 500.0, "factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
    "original_max_position_embeddings": 16,
}  # fmt: skip

MODELS = {  # name -> (configuration class, settings)
    "gpt2": ("GPT2Config", {"vocab_size": V, "n_positions": 32, "n_layer": 2, "n_head": 3, "n_embd": 24,
                            "bos_token_id": 269, "eos_token_id": 269}),
    "gpt2_exact_gelu_untied": ("GPT2Config", {"vocab_size": V, "n_positions": 32, "n_layer": 1, "n_head": 2,
                                              "n_embd": 16, "n_inner": 24, "activation_function": "gelu",
                                              "tie_word_embeddings": False, "layer_norm_epsilon": 1e-3,
                                              "bos_token_id": 269, "eos_token_id": 269}),
    "llama": ("LlamaConfig", SMALL),
    "llama_tied": ("LlamaConfig", SMALL | {"tie_word_embeddings": True, "num_key_value_heads": 4,
                                           "rms_norm_eps": 1e-3}),
    "llama_biases_wide_heads": ("LlamaConfig", SMALL | {"attention_bias": True, "mlp_bias": True, "head_dim": 10}),
    "llama3": ("LlamaConfig", SMALL | {"rope_parameters": LLAMA3}),
    "llama_linear": ("LlamaConfig", SMALL | {"rope_parameters": {"rope_type": "linear", "rope_theta": 100.0,
                                                                 "factor": 3.0}}),
    "llama_yarn": ("LlamaConfig", SMALL | {"head_dim": 16, "rope_parameters": {
        "rope_type": "yarn", "rope_theta": 10000.0, "factor": 4.0, "original_max_position_embeddings": 16}}),
    "llama_dynamic": ("LlamaConfig", SMALL | {"rope_parameters": {"rope_type": "dynamic", "rope_theta": 100.0,
                                                                  "factor": 3.0}}),
    "mistral": ("MistralConfig", SMALL | {"sliding_window": None, "head_dim": 8}),
    "qwen2": ("Qwen2Config", SMALL | {"tie_word_embeddings": True}),
}  # fmt: skip
COMMITTED = ("gpt2", "llama", "qwen2", "llama3")


def make(name: str, folder: Path, seed: int = 0, dtype: str = "float32", shard: str = "5GB") -> np.ndarray:
    """Write the model to a folder, with a tokenizer, and return its logits (2, T, V) for IDS in float32.

    dtype: of the weights in the file, to which they are rounded before the logits are computed
    """
    import torch
    import transformers

    kind, settings = MODELS[name]
    config = getattr(transformers, kind)(**settings)
    torch.manual_seed(seed)
    model = transformers.AutoModelForCausalLM.from_config(config).eval()
    with torch.no_grad():  # larger than at the beginning of training, so that every part matters
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape) * (0.3 if parameter.ndim > 1 else 0.2))
        model.to(getattr(torch, dtype)).save_pretrained(folder, max_shard_size=shard)
        model = transformers.AutoModelForCausalLM.from_pretrained(
            folder, dtype=torch.float32, attn_implementation="eager"
        )  # anew, for .to(bfloat16) also rounded the frequencies of rotary positions
        logits: np.ndarray = model(torch.from_numpy(IDS)).logits.numpy()
    tokenizer = train_bpe([TEXT], V, special_tokens=("<|end|>",))
    tokenizer.to_huggingface(folder / "tokenizer.json")
    return logits


if __name__ == "__main__":
    for name in COMMITTED:
        folder = FIXTURES / name
        folder.mkdir(parents=True, exist_ok=True)
        logits = make(name, folder)
        np.save(folder / "logits.npy", logits.astype(np.float32))
        (folder / "generation_config.json").unlink(missing_ok=True)
        config = json.loads((folder / "config.json").read_text())
        print(name, config["transformers_version"], sum(f.stat().st_size for f in folder.iterdir()), "bytes")
