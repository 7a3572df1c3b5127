"""Writes a Hugging Face checkpoint as GGUF, laid out as llama.cpp's convert_hf_to_gguf.py lays it.

That is: llama and mistral with the rows of q and k permuted for interleaved rotation and llama3
frequencies as the tensor rope_freqs; the others as they are; every tensor F32, so that the logits stay
those of the twin. The vocabulary is a small one of our own, enough to test that it is read; checkpoints
whose vocabulary is smaller still have none.

Usage: gguf_twins.py FOLDER ...  writes model.gguf beside each checkpoint (needs gguf and safetensors).
"""

import json
import math
import pathlib
import sys

import gguf
import numpy

# model_type of config.json -> GGUF's name and gguf's table of tensor names
ARCHITECTURES = {"llama": ("llama", gguf.MODEL_ARCH.LLAMA), "mistral": ("llama", gguf.MODEL_ARCH.LLAMA),
                 "qwen2": ("qwen2", gguf.MODEL_ARCH.QWEN2), "qwen3": ("qwen3", gguf.MODEL_ARCH.QWEN3),
                 "glm": ("chatglm", gguf.MODEL_ARCH.CHATGLM), "glm4": ("glm4", gguf.MODEL_ARCH.GLM4),
                 "mixtral": ("llama", gguf.MODEL_ARCH.LLAMA),
                 "qwen2_moe": ("qwen2moe", gguf.MODEL_ARCH.QWEN2MOE),
                 "qwen3_moe": ("qwen3moe", gguf.MODEL_ARCH.QWEN3MOE),
                 "glm4_moe": ("glm4moe", gguf.MODEL_ARCH.GLM4_MOE)}
LEAST_VOCABULARY = 264  # 256 bytes and special tokens


def permute(weight, n_heads):
    """Half-split rows to interleaved rows, as the converter does for llama."""
    shape = weight.shape
    return (weight.reshape(n_heads, 2, shape[0] // n_heads // 2, *shape[1:])
            .swapaxes(1, 2).reshape(shape))


def llama3_divisors(rope, head_dim):
    """What each rotary frequency is divided by (Llama 3.1's smoothing), [head_dim / 2]."""
    low, high = rope["low_freq_factor"], rope["high_freq_factor"]
    old_context, out = rope["original_max_position_embeddings"], []
    for i in range(0, head_dim, 2):
        wavelength = 2 * math.pi * rope["rope_theta"] ** (i / head_dim)
        if wavelength < old_context / high:
            out.append(1.0)
        elif wavelength > old_context / low:
            out.append(rope["factor"])
        else:
            smooth = (old_context / wavelength - low) / (high - low)
            out.append(1 / ((1 - smooth) / rope["factor"] + smooth))
    return numpy.array(out, dtype=numpy.float32)


def byte_characters():
    """GPT-2's printable stand-in for each byte."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = iter(range(256, 512))
    return [chr(b) if b in plain else chr(next(others)) for b in range(256)]


def add_sentencepiece_vocabulary(writer, n_tokens):
    """<unk>, <s>, </s>, 256 byte pieces, then a few pieces with scores."""
    words = ["▁", "e", "t", "a", "o", "n", "h", "▁t", "he", "▁the", "▁a", "in", "on"]
    tokens = ["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)] + words
    kinds = ([gguf.TokenType.UNKNOWN] + [gguf.TokenType.CONTROL] * 2
             + [gguf.TokenType.BYTE] * 256 + [gguf.TokenType.NORMAL] * len(words))
    scores = [0.0] * 259 + [-float(i) for i in range(len(words))]
    while len(tokens) < n_tokens:
        tokens.append(f"[PAD{len(tokens)}]")
        kinds.append(gguf.TokenType.UNUSED)
        scores.append(-1000.0)
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokens)
    writer.add_token_scores(scores)
    writer.add_token_types(kinds)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)


def add_byte_level_vocabulary(writer, n_tokens, pre, specials):
    """256 bytes, a few merges, then the special tokens at the end of the vocabulary."""
    merges = ["t h", "th e", "i n", "a n", "Ġ the"]
    plain = byte_characters() + [m.replace(" ", "") for m in merges]
    unused = [f"[PAD{i}]" for i in range(len(plain), n_tokens - len(specials))]
    tokens = plain + unused + specials
    kinds = ([gguf.TokenType.NORMAL] * len(plain) + [gguf.TokenType.UNUSED] * len(unused)
             + [gguf.TokenType.CONTROL] * len(specials))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges(merges)
    writer.add_eos_token_id(tokens.index("<|endoftext|>"))
    if "<|user|>" in specials:
        writer.add_eot_token_id(tokens.index("<|user|>"))


def add_experts(writer, config):
    """The metadata of experts, as the converter writes it for each family."""
    glm = config["model_type"] == "glm4_moe"
    count = next(config[k] for k in ("n_routed_experts", "num_experts", "num_local_experts") if k in config)
    writer.add_expert_count(count)
    writer.add_expert_used_count(config["num_experts_per_tok"])
    if "moe_intermediate_size" in config:
        writer.add_expert_feed_forward_length(config["moe_intermediate_size"])
    if "shared_expert_intermediate_size" in config:
        writer.add_expert_shared_feed_forward_length(config["shared_expert_intermediate_size"])
    if glm:
        writer.add_expert_shared_count(config["n_shared_experts"])
        writer.add_leading_dense_block_count(config["first_k_dense_replace"])
        writer.add_expert_gating_func(gguf.ExpertGatingFuncType.SIGMOID)
        writer.add_expert_weights_scale(config["routed_scaling_factor"])
        writer.add_expert_weights_norm(config["norm_topk_prob"])
        writer.add_expert_group_count(config["n_group"])
        writer.add_expert_group_used_count(config["topk_group"])


def with_llama_cpp_experts(weights):
    """Fused gate and up of all experts as two tensors, and names that the table of names has."""
    out = {}
    for key, value in weights.items():
        if key.endswith(".experts.gate_up_proj"):
            half = value.shape[1] // 2
            out[key.replace("gate_up_proj", "gate_proj.weight")] = value[:, :half]
            out[key.replace("gate_up_proj", "up_proj.weight")] = value[:, half:]
        elif key.endswith(".experts.down_proj"):
            out[key + ".weight"] = value
        elif key.endswith(".shared_expert_gate.weight"):
            out[key] = value[0]
        else:
            out[key.replace("e_score_correction_bias", "e_score_correction.bias")] = value
    return out


def write(path, config, weights):
    """config: config.json, with rope_parameters or the keys before them; weights: numpy arrays in f32."""
    model_type = config["model_type"]
    kind, names = ARCHITECTURES[model_type]
    rope = config.get("rope_parameters") or {
        "rope_type": "default", "rope_theta": config["rope_theta"],
        "partial_rotary_factor": config.get("partial_rotary_factor", 1.0)} | (config.get("rope_scaling") or {})
    n_layers, n_heads = config["num_hidden_layers"], config["num_attention_heads"]
    head_dim = config.get("head_dim") or config["hidden_size"] // n_heads
    writer = gguf.GGUFWriter(path, kind)
    writer.add_type(gguf.GGUFType.MODEL)
    writer.add_name(f"golden {kind}")
    writer.add_block_count(n_layers)
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(n_heads)
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_rope_freq_base(rope["rope_theta"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    if config.get("head_dim"):
        writer.add_key_length(head_dim)
        writer.add_value_length(head_dim)
    if config.get("sliding_window"):
        writer.add_sliding_window(config["sliding_window"])
    if kind == "llama":
        writer.add_vocab_size(config["vocab_size"])
        writer.add_rope_dimension_count(head_dim)
    elif kind in ("glm4", "chatglm", "glm4moe"):
        writer.add_rope_dimension_count(int(head_dim * rope["partial_rotary_factor"]))
    if config["vocab_size"] < LEAST_VOCABULARY:
        pass
    elif kind == "llama":
        add_sentencepiece_vocabulary(writer, config["vocab_size"])
    elif kind == "glm4":
        add_byte_level_vocabulary(writer, config["vocab_size"], "glm4",
                                  ["<|endoftext|>", "[gMASK]", "<sop>", "<|system|>", "<|user|>",
                                   "<|assistant|>", "<|observation|>"])
    else:
        add_byte_level_vocabulary(writer, config["vocab_size"], "qwen2",
                                  ["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
    if rope["rope_type"] == "llama3":
        writer.add_tensor("rope_freqs.weight", llama3_divisors(rope, head_dim))
    if "num_experts_per_tok" in config:
        add_experts(writer, config)
        weights = with_llama_cpp_experts(weights)
    names = gguf.get_tensor_name_map(names, n_layers)
    for key, value in weights.items():
        if key == "lm_head.weight" and config["tie_word_embeddings"]:
            continue
        if kind == "llama" and "q_proj" in key:
            value = permute(value, n_heads)
        if kind == "llama" and "k_proj" in key:
            value = permute(value, config["num_key_value_heads"])
        name = names.get_name(key, try_suffixes=(".weight", ".bias"))
        assert name is not None, key
        writer.add_tensor(name, numpy.ascontiguousarray(value, dtype=numpy.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main():
    from safetensors.numpy import load_file
    for folder in map(pathlib.Path, sys.argv[1:]):
        weights = {}
        for file in sorted(folder.glob("model*.safetensors")):
            weights |= load_file(file)
        write(folder / "model.gguf", json.loads((folder / "config.json").read_text()), weights)


if __name__ == "__main__":
    main()
