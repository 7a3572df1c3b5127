#!/usr/bin/env python3
"""Writes the tiny random checkpoints of tests/data/goldens and what transformers makes of them.

Each folder holds a checkpoint with awkward sizes (heads that fill no vector, odd widths) and a
golden.safetensors: prompt ids, float logits of the whole prompt, 32 greedy ids. The weights are
random but large, so that logits spread and a wrong rotation or mask cannot hide. This is not a
trained model and has no tokenizer, except for the small vocabulary inside the GGUF files, which
gguf_twins.py writes.

    python tools/goldens/make_models.py tests/data/goldens

Needs torch and transformers 5.23. The same seed writes the same bytes.
"""

import argparse
import copy
import json
import pathlib
import sys

import torch
import transformers
from safetensors.torch import save_file

import gguf_twins

N_GREEDY = 32

# Every tiny model overrides these; ids of special tokens are below any vocabulary used here.
COMMON = dict(num_hidden_layers=2, max_position_embeddings=256, pad_token_id=None,
              bos_token_id=None, eos_token_id=2, rms_norm_eps=1e-5)

LLAMA_SMALL = dict(vocab_size=83, hidden_size=27, intermediate_size=46, num_attention_heads=3,
                   num_key_value_heads=1, head_dim=12, tie_word_embeddings=True)

LLAMA3_ROPE = dict(rope_type="llama3", rope_theta=50000.0, factor=8.0, low_freq_factor=1.0,
                   high_freq_factor=4.0, original_max_position_embeddings=24)

# name -> (transformers class, configuration, options). Options: prompt (length, 50 unless told),
# old_keys (config.json as transformers 4 wrote it), bf16, shards (bytes), gguf, cached (greedy ids
# with a KV cache instead of one whole pass a token; only dynamic rope tells the two apart).
SPECS = {
    "glm": ("Glm", dict(vocab_size=101, hidden_size=44, intermediate_size=61,
                        num_attention_heads=6, num_key_value_heads=2, head_dim=12,
                        attention_bias=True, rms_norm_eps=1.5625e-7),
            dict(old_keys=True)),
    "glm_bf16": ("Glm", dict(vocab_size=101, hidden_size=44, intermediate_size=61,
                             num_attention_heads=6, num_key_value_heads=2, head_dim=12,
                             attention_bias=True, rms_norm_eps=1.5625e-7), dict(bf16=True)),
    "glm4": ("Glm4", dict(vocab_size=269, hidden_size=36, intermediate_size=54,
                          num_attention_heads=4, num_key_value_heads=2, head_dim=20,
                          attention_bias=False), dict(gguf=True)),
    "glm4_partial": ("Glm4", dict(vocab_size=97, hidden_size=28, intermediate_size=45,
                                  num_attention_heads=3, num_key_value_heads=3, head_dim=20,
                                  attention_bias=True, tie_word_embeddings=True,
                                  rope_parameters=dict(rope_type="default", rope_theta=500.0,
                                                       partial_rotary_factor=0.4)), {}),
    "llama": ("Llama", dict(vocab_size=113, hidden_size=45, intermediate_size=61,
                            num_attention_heads=5, num_key_value_heads=1, head_dim=12),
              dict(shards=60_000)),
    "llama_biased": ("Llama", LLAMA_SMALL | dict(attention_bias=True, mlp_bias=True, head_dim=20,
                                                 num_key_value_heads=3), {}),
    "llama_rope_linear": ("Llama", LLAMA_SMALL | dict(
        rope_parameters=dict(rope_type="linear", rope_theta=10000.0, factor=3.0)),
        dict(old_keys=True)),
    "llama_rope_dynamic": ("Llama", LLAMA_SMALL | dict(
        max_position_embeddings=96,
        rope_parameters=dict(rope_type="dynamic", rope_theta=10000.0, factor=2.0)), {}),
    "llama_rope_dynamic_long": ("Llama", LLAMA_SMALL | dict(
        max_position_embeddings=40,
        rope_parameters=dict(rope_type="dynamic", rope_theta=10000.0, factor=2.0)),
        dict(prompt=56, cached=True)),
    "llama_rope_llama3": ("Llama", dict(
        vocab_size=277, hidden_size=36, intermediate_size=58, num_attention_heads=4,
        num_key_value_heads=2, head_dim=20, rope_parameters=LLAMA3_ROPE),
        dict(old_keys=True, gguf=True)),
    "llama_rope_yarn": ("Llama", LLAMA_SMALL | dict(
        head_dim=20,
        rope_parameters=dict(rope_type="yarn", rope_theta=10000.0, factor=4.0,
                             original_max_position_embeddings=64, beta_fast=16.0)), {}),
    "mistral": ("Mistral", dict(vocab_size=103, hidden_size=36, intermediate_size=60,
                                num_attention_heads=6, num_key_value_heads=3, head_dim=12,
                                sliding_window=None), {}),
    "mistral_window": ("Mistral", dict(vocab_size=109, hidden_size=36, intermediate_size=52,
                                       num_attention_heads=4, num_key_value_heads=2, head_dim=12,
                                       sliding_window=17), dict(prompt=61)),
    "qwen2": ("Qwen2", dict(vocab_size=271, hidden_size=60, intermediate_size=45,
                            num_attention_heads=5, num_key_value_heads=1,
                            tie_word_embeddings=True), dict(gguf=True)),
    "qwen2_window": ("Qwen2", dict(vocab_size=103, hidden_size=28, intermediate_size=42,
                                   num_attention_heads=2, num_key_value_heads=2,
                                   num_hidden_layers=3, use_sliding_window=True,
                                   sliding_window=19, max_window_layers=1), dict(prompt=59)),
    "qwen2_rope_yarn": ("Qwen2", dict(
        vocab_size=101, hidden_size=36, intermediate_size=50, num_attention_heads=3,
        num_key_value_heads=1, rope_parameters=dict(
            rope_type="yarn", rope_theta=1000000.0, factor=4.0,
            original_max_position_embeddings=64)), dict(old_keys=True)),
    "qwen3": ("Qwen3", dict(vocab_size=107, hidden_size=36, intermediate_size=54,
                            num_attention_heads=4, num_key_value_heads=2, head_dim=20,
                            attention_bias=False), {}),
    "qwen3_tied": ("Qwen3", dict(vocab_size=127, hidden_size=36, intermediate_size=46,
                                 num_attention_heads=5, num_key_value_heads=1, head_dim=12,
                                 attention_bias=True, tie_word_embeddings=True), {}),
}


def fill(model, seed):
    """Random weights large enough that logits spread over several units."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in sorted(model.named_parameters()):
        noise = torch.randn(parameter.shape, generator=generator)
        if name.endswith("norm.weight"):
            value = (1.0 + 0.3 * noise).clamp(0.1, 2.0)
        elif name.endswith(".bias"):
            value = 0.3 * noise
        elif "embed_tokens" in name:
            value = 0.5 * noise
        else:
            value = 0.28 * noise
        parameter.data.copy_(value)


def logits_of(model, ids):
    with torch.no_grad():
        return model(input_ids=ids[None], use_cache=False).logits[0]


def continue_greedily(model, prompt, cached):
    """The greedy ids, and the smallest lead of a best logit over the second, in standard deviations."""
    ids, lead, cache = prompt.clone(), float("inf"), None
    for _ in range(N_GREEDY):
        with torch.no_grad():
            if cached:
                fed = ids if cache is None else ids[-1:]
                out = model(input_ids=fed[None], past_key_values=cache, use_cache=True)
                cache, last = out.past_key_values, out.logits[0, -1]
            else:
                last = logits_of(model, ids)[-1]
        best = last.topk(2)
        lead = min(lead, ((best.values[0] - best.values[1]) / last.std()).item())
        ids = torch.cat([ids, best.indices[:1]])
    return ids[len(prompt):], lead


def make(name, first_seed):
    """Tries seeds until the continuation is varied and nowhere a near tie."""
    family, settings, options = SPECS[name]
    config_class = getattr(transformers, family + "Config")
    model_class = getattr(transformers, family + "ForCausalLM")
    for seed in range(first_seed, first_seed + 200):
        config = config_class(**copy.deepcopy(COMMON | settings))
        model = model_class(config).eval()
        fill(model, seed)
        if options.get("bf16"):
            for parameter in model.parameters():
                parameter.data = parameter.data.bfloat16().float()
        generator = torch.Generator().manual_seed(seed)
        prompt = torch.randint(3, config.vocab_size, (options.get("prompt", 50),),
                               generator=generator)
        exact = copy.deepcopy(model).double()  # norms and rope stay f32 inside transformers
        logits = logits_of(exact, prompt)  # first: dynamic rope remembers the longest it has seen
        greedy, lead = continue_greedily(exact, prompt, options.get("cached", False))
        varied = len(set(greedy.tolist())) >= 14
        if varied and lead > (0.03 if options.get("bf16") else 0.004):
            single = logits_of(model, prompt).double()
            print(f"{name}: seed {seed}, lead {lead:.4f}, logits std {logits.std():.2f}, "
                  f"f32 differs by {((single - logits).norm() / logits.norm()).item():.1e}")
            return model, dict(prompt=prompt, logits=logits.float().contiguous(), greedy=greedy)
    raise SystemExit(f"{name}: no seed gave a varied continuation without near ties")


def with_old_keys(config):
    """config.json as transformers 4 wrote it: rope_theta, rope_scaling, partial_rotary_factor."""
    rope = config.pop("rope_parameters")
    config["rope_theta"] = rope.pop("rope_theta")
    if "partial_rotary_factor" in rope:
        config["partial_rotary_factor"] = rope.pop("partial_rotary_factor")
    kind = rope.pop("rope_type")
    if kind == "linear":
        config["rope_scaling"] = {"type": kind, **rope}
    else:
        config["rope_scaling"] = None if kind == "default" else {"rope_type": kind, **rope}
    config["torch_dtype"] = config.pop("dtype", "float32")
    return config


def write_json(path, value):
    path.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n")


def save(folder, model, golden, options):
    if options.get("bf16"):
        model = model.bfloat16()
    model.save_pretrained(folder, max_shard_size=options.get("shards", "1GB"))
    config_path = folder / "config.json"
    config = json.loads(config_path.read_text())
    if options.get("gguf"):
        weights = {name: value.float().numpy() for name, value in model.state_dict().items()}
        gguf_twins.write(folder / "model.gguf", config, weights)
    if options.get("old_keys"):
        write_json(config_path, with_old_keys(config))
        again = type(model).from_pretrained(folder)
        assert torch.equal(logits_of(model, golden["prompt"]), logits_of(again, golden["prompt"]))
    save_file(golden, folder / "golden.safetensors")


def save_chatglm(folder, model, golden, interleaved):
    """The same Glm weights as the custom-code checkpoints name them (ChatGLM3, GLM-4-9B of 2024)."""
    c, weights = model.config, model.state_dict()
    d, rotary = c.head_dim, c.head_dim // 2

    def rows(tensor):  # half-split rotation wants the even dims of a pair first, then the odd
        if interleaved:
            return tensor
        order = list(range(0, rotary, 2)) + list(range(1, rotary, 2)) + list(range(rotary, d))
        return tensor.reshape(-1, d, *tensor.shape[1:])[:, order].reshape(tensor.shape)

    out = {"transformer.embedding.word_embeddings.weight": weights["model.embed_tokens.weight"],
           "transformer.encoder.final_layernorm.weight": weights["model.norm.weight"],
           "transformer.output_layer.weight": weights["lm_head.weight"],
           "transformer.rotary_pos_emb.inv_freq":
               1.0 / 10000.0 ** (torch.arange(0, rotary, 2).float() / rotary)}
    for i in range(c.num_hidden_layers):
        old, new = f"model.layers.{i}.", f"transformer.encoder.layers.{i}."
        for kind in ("weight", "bias"):
            q, k, v = (weights[f"{old}self_attn.{x}_proj.{kind}"] for x in "qkv")
            out[f"{new}self_attention.query_key_value.{kind}"] = torch.cat([rows(q), rows(k), v])
        for ours, theirs in (("self_attention.dense", "self_attn.o_proj"),
                             ("mlp.dense_h_to_4h", "mlp.gate_up_proj"),
                             ("mlp.dense_4h_to_h", "mlp.down_proj"),
                             ("input_layernorm", "input_layernorm"),
                             ("post_attention_layernorm", "post_attention_layernorm")):
            out[f"{new}{ours}.weight"] = weights[f"{old}{theirs}.weight"]
    folder.mkdir(parents=True, exist_ok=True)
    save_file({key: value.clone() for key, value in out.items()}, folder / "model.safetensors",
              metadata={"format": "pt"})
    save_file(golden, folder / "golden.safetensors")
    write_json(folder / "config.json", dict(
        architectures=["ChatGLMModel"], model_type="chatglm", num_layers=c.num_hidden_layers,
        padded_vocab_size=c.vocab_size, hidden_size=c.hidden_size,
        ffn_hidden_size=c.intermediate_size, kv_channels=d,
        num_attention_heads=c.num_attention_heads, multi_query_attention=True,
        multi_query_group_num=c.num_key_value_heads, seq_length=c.max_position_embeddings,
        layernorm_epsilon=c.rms_norm_eps, rmsnorm=True, post_layer_norm=True,
        apply_residual_connection_post_layernorm=False, add_bias_linear=False, add_qkv_bias=True,
        rope_ratio=1, original_rope=interleaved, tie_word_embeddings=False, use_cache=True,
        eos_token_id=2, pad_token_id=0, torch_dtype="float32", transformers_version="4.30.2"))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--only", nargs="*", default=list(SPECS))
    arguments = parser.parse_args()
    torch.set_num_threads(1)  # one order of sums, so the same bytes each time
    transformers.logging.set_verbosity_error()
    for number, name in enumerate(SPECS):
        if name not in arguments.only:
            continue
        model, golden = make(name, 1000 * (number + 1))
        save(arguments.folder / name, model, golden, SPECS[name][2])
        if name == "glm":
            save_chatglm(arguments.folder / "chatglm", model, golden, True)
            save_chatglm(arguments.folder / "chatglm_half_split", model, golden, False)
    size = sum(f.stat().st_size for f in arguments.folder.rglob("*") if f.is_file())
    print(f"{size / 1e6:.2f} MB in {arguments.folder}")


if __name__ == "__main__":
    sys.exit(main())
