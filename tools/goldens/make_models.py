#!/usr/bin/env python3
"""Writes the tiny random checkpoints of tests/data/goldens and what transformers makes of them.

Each folder holds a checkpoint with awkward sizes (heads that fill no vector, odd widths) and a
golden.safetensors: prompt ids, float logits of the whole prompt, 32 greedy ids, and of models with
experts the experts of every token. The weights are
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
from safetensors.torch import load_file, save_file

import gguf_twins

N_GREEDY = 32

# Every tiny model overrides these; ids of special tokens are below any vocabulary used here.
COMMON = dict(num_hidden_layers=2, max_position_embeddings=256, pad_token_id=None,
              bos_token_id=None, eos_token_id=2, rms_norm_eps=1e-5)

LLAMA_SMALL = dict(vocab_size=83, hidden_size=27, intermediate_size=46, num_attention_heads=3,
                   num_key_value_heads=1, head_dim=12, tie_word_embeddings=True)

LLAMA3_ROPE = dict(rope_type="llama3", rope_theta=50000.0, factor=8.0, low_freq_factor=1.0,
                   high_freq_factor=4.0, original_max_position_embeddings=24)

QWEN_MOE_SMALL = dict(vocab_size=107, hidden_size=28, intermediate_size=38, num_attention_heads=4,
                      num_key_value_heads=2, moe_intermediate_size=18)
MIXTRAL_SMALL = dict(vocab_size=103, hidden_size=36, intermediate_size=22, num_attention_heads=3,
                     num_key_value_heads=1, head_dim=12)
GLM_MOE_SMALL = dict(vocab_size=97, hidden_size=28, intermediate_size=42, num_attention_heads=3,
                     num_key_value_heads=1, head_dim=20, moe_intermediate_size=17)

# name -> (transformers class, configuration, options). Options: prompt (length, 50 unless told),
# old_keys (config.json as transformers 4 wrote it), bf16, shards (bytes), gguf, cached (greedy ids
# with a KV cache instead of one whole pass a token; only dynamic rope tells the two apart), mtp (a
# layer for further tokens behind the last, which transformers ignores too).
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
    "qwen3_moe": ("Qwen3Moe", QWEN_MOE_SMALL | dict(head_dim=20, num_experts=9, num_experts_per_tok=3,
                                                    norm_topk_prob=True),
                  dict(prompt=90, gguf=True)),
    "qwen3_moe_steps": ("Qwen3Moe", QWEN_MOE_SMALL | dict(
        num_hidden_layers=4, decoder_sparse_step=2, mlp_only_layers=[3], head_dim=12,
        num_key_value_heads=4, attention_bias=True, tie_word_embeddings=True, num_experts=6,
        num_experts_per_tok=2, norm_topk_prob=False), dict(prompt=90)),
    "qwen3_moe_bf16": ("Qwen3Moe", QWEN_MOE_SMALL | dict(
        head_dim=20, num_experts=5, num_experts_per_tok=2, norm_topk_prob=True,
        mlp_only_layers=[0]), dict(prompt=90, bf16=True)),
    "mixtral": ("Mixtral", MIXTRAL_SMALL | dict(num_local_experts=5, num_experts_per_tok=2),
                dict(prompt=90, gguf=True)),
    "mixtral_window": ("Mixtral", MIXTRAL_SMALL | dict(
        num_local_experts=4, num_experts_per_tok=4, sliding_window=23, head_dim=20),
        dict(prompt=90, old_keys=True)),
    "qwen2_moe": ("Qwen2Moe", QWEN_MOE_SMALL | dict(
        hidden_size=30, num_attention_heads=3, num_key_value_heads=1, num_experts=7, num_experts_per_tok=3, shared_expert_intermediate_size=29),
        dict(prompt=90, gguf=True)),
    "qwen2_moe_steps": ("Qwen2Moe", QWEN_MOE_SMALL | dict(
        hidden_size=24, num_attention_heads=2, num_hidden_layers=3, decoder_sparse_step=2, num_experts=6, num_experts_per_tok=1,
        shared_expert_intermediate_size=14, norm_topk_prob=True, qkv_bias=False,
        use_sliding_window=True, sliding_window=21, max_window_layers=2), dict(prompt=90)),
    "glm4_moe": ("Glm4Moe", GLM_MOE_SMALL | dict(
        num_hidden_layers=3, n_routed_experts=12, num_experts_per_tok=4, n_group=3, topk_group=2,
        routed_scaling_factor=2.5, use_qk_norm=True, attention_bias=True), dict(prompt=90, mtp=True)),
    "glm4_moe_flat": ("Glm4Moe", GLM_MOE_SMALL | dict(
        n_routed_experts=7, num_experts_per_tok=3, n_shared_experts=2, first_k_dense_replace=0,
        norm_topk_prob=False, routed_scaling_factor=1.5, tie_word_embeddings=True,
        rope_parameters=dict(rope_type="default", rope_theta=500.0, partial_rotary_factor=0.4)),
        dict(prompt=90)),
    "glm4_moe_one_group": ("Glm4Moe", GLM_MOE_SMALL | dict(
        n_routed_experts=8, num_experts_per_tok=2, use_qk_norm=True, attention_bias=True,
        routed_scaling_factor=2.0), dict(prompt=90, gguf=True)),
    "glm4_moe_bf16": ("Glm4Moe", GLM_MOE_SMALL | dict(
        n_routed_experts=6, num_experts_per_tok=2, n_group=2, topk_group=1), dict(prompt=90, bf16=True)),
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
    for name, buffer in sorted(model.named_buffers()):
        if name.endswith("e_score_correction_bias"):  # large enough to change what is chosen
            buffer.data.copy_(0.3 * torch.randn(buffer.shape, generator=generator))


def logits_of(model, ids):
    with torch.no_grad():
        return model(input_ids=ids[None], use_cache=False).logits[0]


def router_lead(router, logits):
    """By how much the last expert chosen leads the next, and the last group, over all tokens."""
    ranks, leads = logits, []
    if hasattr(router, "e_score_correction_bias"):
        ranks = logits.sigmoid() + router.e_score_correction_bias
        groups = ranks.view(len(ranks), router.num_group, -1)
        if router.topk_group < router.num_group:
            best = groups.topk(2, dim=-1).values.sum(-1).sort(descending=True)
            leads.append((best.values[:, router.topk_group - 1] - best.values[:, router.topk_group]).min())
            mask = torch.zeros(groups.shape[:2]).scatter(1, best.indices[:, :router.topk_group], 1)
            ranks = groups.masked_fill(mask[:, :, None] == 0, float("-inf")).view(ranks.shape)
    if router.top_k < ranks.shape[1]:
        best = ranks.sort(descending=True).values
        leads.append((best[:, router.top_k - 1] - best[:, router.top_k]).min())
    return min((lead.item() for lead in leads), default=float("inf"))


def routes_of(model, ids):
    """The experts of each token in each layer that has some, ascending, and the smallest lead."""
    routes, leads, hooks = {}, [float("inf")], []

    def listen(name):
        def hook(router, _, outputs):
            logits, _, indices = outputs
            routes["routes." + name.split(".")[2]] = indices.sort(dim=-1).values.contiguous()
            leads.append(router_lead(router, logits))
        return hook

    for name, module in model.named_modules():
        if type(module).__name__.lower().endswith("topkrouter"):
            hooks.append(module.register_forward_hook(listen(name)))
    logits_of(model, ids)
    for hook in hooks:
        hook.remove()
    return routes, min(leads)


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
        if hasattr(config, "num_experts_per_tok"):
            model.set_experts_implementation("eager")  # the others know no f64
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
        routes, route_lead = routes_of(exact, torch.cat([prompt, greedy[:-1]]))
        sure = route_lead > (0.004 if options.get("bf16") else 2e-4)
        if varied and sure and lead > (0.03 if options.get("bf16") else 0.004):
            single = logits_of(model, prompt).double()
            print(f"{name}: seed {seed}, lead {lead:.4f}, logits std {logits.std():.2f}, "
                  f"f32 differs by {((single - logits).norm() / logits.norm()).item():.1e}")
            return model, dict(prompt=prompt, logits=logits.float().contiguous(), greedy=greedy, **routes)
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
        if hasattr(model.config, "num_experts_per_tok"):
            again.set_experts_implementation("eager")
        assert torch.equal(logits_of(model, golden["prompt"]), logits_of(again, golden["prompt"]))
    if options.get("mtp"):
        add_further_layer(folder)
    save_file(golden, folder / "golden.safetensors")


def add_further_layer(folder):
    """The layer behind the last as released checkpoints have it; numbers that would show."""
    config = json.loads((folder / "config.json").read_text())
    weights = load_file(folder / "model.safetensors")
    n, hidden = config["num_hidden_layers"], config["hidden_size"]
    for key, value in list(weights.items()):
        if key.startswith(f"model.layers.{n - 1}."):
            weights[key.replace(f"layers.{n - 1}.", f"layers.{n}.")] = value + 1
    for name, shape in (("enorm.weight", [hidden]), ("hnorm.weight", [hidden]),
                        ("eh_proj.weight", [hidden, 2 * hidden]), ("shared_head.norm.weight", [hidden])):
        weights[f"model.layers.{n}.{name}"] = torch.full(shape, 3.0)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    write_json(folder / "config.json", config | {"num_nextn_predict_layers": 1})


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
