#!/usr/bin/env python3
"""Prints README's table of disk and memory by model: each model's shapes as an empty (sparse) checkpoint, which
`autoglm info` reads as it reads real ones: it looks at no weight.

Usage: tools/model_table.py [AUTOGLM]
"""
import json
import math
import pathlib
import struct
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent

# Name, class, layers, hidden, intermediate, heads, KV heads, head dim, vocabulary, tied; from the published config.json.
MODELS = [
    ("GLM-Edge-1.5B-Chat", "GlmForCausalLM", 28, 2048, 6144, 16, 4, 128, 59264, False),
    ("ChatGLM3-6B", "ChatGLMModel", 28, 4096, 13696, 32, 2, 128, 65024, False),
    ("GLM-4-9B-0414, GLM-Z1-9B-0414", "Glm4ForCausalLM", 40, 4096, 13696, 32, 2, 128, 151552, False),
    ("GLM-4-32B-0414, GLM-Z1-32B-0414", "Glm4ForCausalLM", 61, 6144, 23040, 48, 8, 128, 151552, False),
    ("Qwen2.5-0.5B-Instruct", "Qwen2ForCausalLM", 24, 896, 4864, 14, 2, 64, 151936, True),
    ("Qwen2.5-7B-Instruct", "Qwen2ForCausalLM", 28, 3584, 18944, 28, 4, 128, 152064, False),
    ("Qwen3-8B", "Qwen3ForCausalLM", 36, 4096, 12288, 32, 8, 128, 151936, False),
    ("Llama-3.1-8B-Instruct", "LlamaForCausalLM", 32, 4096, 14336, 32, 8, 128, 128256, False),
    ("Mistral-7B-Instruct-v0.3", "MistralForCausalLM", 32, 4096, 14336, 32, 8, 128, 32768, False),
    ("Qwen3-30B-A3B", "Qwen3MoeForCausalLM", 48, 2048, 768, 32, 4, 128, 151936, False),
    ("GLM-4.5-Air", "Glm4MoeForCausalLM", 46, 4096, 1408, 96, 8, 128, 151552, False),
    ("Mixtral-8x7B-Instruct-v0.1", "MixtralForCausalLM", 32, 4096, 14336, 32, 8, 128, 32000, False),
]


# Of mixtures, whose intermediate size is that of an expert: experts, chosen, size of the first layer's MLP where it has
# no experts.
MIXTURES = {"Qwen3MoeForCausalLM": (128, 8, 0), "Glm4MoeForCausalLM": (128, 8, 10944), "MixtralForCausalLM": (8, 2, 0)}


def experts(cls, prefix, hidden, inner):
    """Names and shapes of a layer's router, experts and shared expert."""
    mixtral, glm = cls == "MixtralForCausalLM", cls == "Glm4MoeForCausalLM"
    block = prefix + ("block_sparse_moe." if mixtral else "mlp.")
    gate, up, down = ("w1", "w3", "w2") if mixtral else ("gate_proj", "up_proj", "down_proj")
    yield block + "gate.weight", (MIXTURES[cls][0], hidden)
    if glm:
        yield block + "gate.e_score_correction_bias", (MIXTURES[cls][0],)
    mlps = [f"experts.{e}." for e in range(MIXTURES[cls][0])] + ["shared_experts."] * glm
    for mlp in mlps:
        yield f"{block}{mlp}{gate}.weight", (inner, hidden)
        yield f"{block}{mlp}{up}.weight", (inner, hidden)
        yield f"{block}{mlp}{down}.weight", (hidden, inner)


def tensors(cls, layers, hidden, inner, heads, kv_heads, dim, vocab, tied):
    """Names and shapes."""
    chatglm = cls == "ChatGLMModel"
    fused = cls in ("GlmForCausalLM", "Glm4ForCausalLM")
    biased = cls in ("GlmForCausalLM", "Qwen2ForCausalLM", "Glm4MoeForCausalLM")
    q, kv = heads * dim, kv_heads * dim
    root = "transformer.encoder." if chatglm else "model."
    yield ("transformer.embedding.word_embeddings" if chatglm else "model.embed_tokens") + ".weight", (vocab, hidden)
    yield root + ("final_layernorm" if chatglm else "norm") + ".weight", (hidden,)
    if not tied:
        yield ("transformer.output_layer" if chatglm else "lm_head") + ".weight", (vocab, hidden)
    for i in range(layers):
        p = f"{root}layers.{i}."
        yield p + "input_layernorm.weight", (hidden,)
        yield p + "post_attention_layernorm.weight", (hidden,)
        if cls == "Glm4ForCausalLM":
            yield p + "post_self_attn_layernorm.weight", (hidden,)
            yield p + "post_mlp_layernorm.weight", (hidden,)
        if chatglm:
            yield p + "self_attention.query_key_value.weight", (q + 2 * kv, hidden)
            yield p + "self_attention.query_key_value.bias", (q + 2 * kv,)
            yield p + "self_attention.dense.weight", (hidden, q)
            yield p + "mlp.dense_h_to_4h.weight", (2 * inner, hidden)
            yield p + "mlp.dense_4h_to_h.weight", (hidden, inner)
            continue
        for name, rows in (("q", q), ("k", kv), ("v", kv)):
            yield f"{p}self_attn.{name}_proj.weight", (rows, hidden)
            if biased:
                yield f"{p}self_attn.{name}_proj.bias", (rows,)
            if cls in ("Qwen3ForCausalLM", "Qwen3MoeForCausalLM") and name != "v":
                yield f"{p}self_attn.{name}_norm.weight", (dim,)
        yield p + "self_attn.o_proj.weight", (hidden, q)
        size = inner
        if cls in MIXTURES:
            size = MIXTURES[cls][2]
            if size == 0 or i > 0:
                yield from experts(cls, p, hidden, inner)
                continue
        if fused:
            yield p + "mlp.gate_up_proj.weight", (2 * inner, hidden)
        else:
            yield p + "mlp.gate_proj.weight", (size, hidden)
            yield p + "mlp.up_proj.weight", (size, hidden)
        yield p + "mlp.down_proj.weight", (hidden, size)


def write(folder, cls, layers, hidden, inner, heads, kv_heads, dim, vocab, tied):
    header, end = {}, 0
    for name, shape in tensors(cls, layers, hidden, inner, heads, kv_heads, dim, vocab, tied):
        size = 2 * math.prod(shape)
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    with open(folder / "model.safetensors", "wb") as out:
        out.write(struct.pack("<Q", len(text)) + text)
        out.truncate(8 + len(text) + end)
    config = {"architectures": [cls], "tie_word_embeddings": tied, "hidden_size": hidden, "num_attention_heads": heads}
    if cls == "ChatGLMModel":
        config.update(num_layers=layers, ffn_hidden_size=inner, kv_channels=dim, padded_vocab_size=vocab, seq_length=8192,
                      multi_query_attention=True, multi_query_group_num=kv_heads, add_qkv_bias=True)
    else:
        config.update(num_hidden_layers=layers, intermediate_size=inner, head_dim=dim, vocab_size=vocab,
                      num_key_value_heads=kv_heads, max_position_embeddings=32768)
        if cls == "Glm4ForCausalLM":
            config["attention_bias"] = False
        if cls in MIXTURES:
            count, chosen, _ = MIXTURES[cls]
            config.update(num_experts_per_tok=chosen, moe_intermediate_size=inner,
                          **{"n_routed_experts" if cls == "Glm4MoeForCausalLM" else "num_local_experts": count})
        if cls == "Glm4MoeForCausalLM":
            config.update(attention_bias=True, intermediate_size=MIXTURES[cls][2])
    (folder / "config.json").write_text(json.dumps(config))
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).symlink_to(ROOT / "models/tiny-glm" / name)


def gib(count):
    return f"{count / 2**30:.1f}"


def main():
    program = sys.argv[1] if len(sys.argv) > 1 else str(ROOT / "build/release/autoglm")
    print("| model | disk, bf16 | `none` | `int8` | `int4` | 8,192 tokens of context, bf16 |\n|---|---|---|---|---|---|")
    for name, *shape in MODELS:
        with tempfile.TemporaryDirectory() as folder:
            write(pathlib.Path(folder), *shape)
            out = subprocess.run([program, "info", folder, "--json"], capture_output=True, text=True, check=True)
        about = json.loads(out.stdout)
        disk = sum(kind["bytes"] for kind in about["tensors_by_dtype"].values())
        weights = [gib(about["weight_bytes"][rule]) for rule in ("none", "int8", "int4")]
        print(f"| {name} | {gib(disk)} | {' | '.join(weights)} | {gib(8192 * about['kv_bytes_per_token']['bf16'])} |")


if __name__ == "__main__":
    main()
