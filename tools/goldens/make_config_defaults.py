"""Writes tests/data/config_defaults.json: what transformers' configuration classes take for keys that are missing.

Usage: make_config_defaults.py OUT.json   (needs transformers, no PyTorch)
"""
import json
import sys

import transformers

CLASSES = {"LlamaForCausalLM": "LlamaConfig", "MistralForCausalLM": "MistralConfig", "Qwen2ForCausalLM": "Qwen2Config",
           "Qwen3ForCausalLM": "Qwen3Config", "GlmForCausalLM": "GlmConfig", "Glm4ForCausalLM": "Glm4Config",
           "MixtralForCausalLM": "MixtralConfig", "Qwen2MoeForCausalLM": "Qwen2MoeConfig",
           "Qwen3MoeForCausalLM": "Qwen3MoeConfig", "Glm4MoeForCausalLM": "Glm4MoeConfig"}
# What the model's forward pass and its limits depend on, as far as a class has it.
KEYS = ["vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads",
        "head_dim", "hidden_act", "max_position_embeddings", "rms_norm_eps", "tie_word_embeddings", "attention_bias",
        "mlp_bias", "use_sliding_window", "sliding_window", "max_window_layers", "num_experts", "num_local_experts", "n_routed_experts",
        "num_experts_per_tok", "moe_intermediate_size", "norm_topk_prob", "decoder_sparse_step", "n_shared_experts",
        "shared_expert_intermediate_size", "first_k_dense_replace", "n_group", "topk_group", "routed_scaling_factor",
        "use_qk_norm", "qkv_bias"]


def defaults(name):
    config = getattr(transformers, name)()
    values = {key: getattr(config, key) for key in KEYS if hasattr(config, key)}
    rope = config.rope_parameters
    values["rope_theta"] = rope["rope_theta"]
    values["partial_rotary_factor"] = rope.get("partial_rotary_factor", 1.0)
    return values


if __name__ == "__main__":
    table = {architecture: defaults(name) for architecture, name in CLASSES.items()}
    with open(sys.argv[1], "w", encoding="utf-8") as out:
        json.dump({"transformers": transformers.__version__, "classes": table}, out, indent=1)
        out.write("\n")
