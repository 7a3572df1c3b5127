#!/usr/bin/env python3
"""Writes the tiny quantized checkpoints of tests/data/quantized, and what they stand for.

Codes, scales and zero points are random numbers; they are packed here by the definitions of the
formats and decoded here in the arithmetic of the reference implementations (the type of the
scales), both without the libraries of those formats. Each folder holds config.json,
model.safetensors and golden.safetensors: "prompt", "logits" of transformers over the decoded
weights in f64, and two decoded matrices.

    python tools/goldens/make_quantized.py tests/data/quantized

With --libraries, and compressed-tensors and autoawq on PYTHONPATH, compares with those
as well. Needs torch and transformers 5.23. The same seed writes the same bytes.
"""

import argparse
import json
import pathlib

import torch
import transformers
from safetensors.torch import save_file

CONFIG = dict(vocab_size=101, hidden_size=64, intermediate_size=96, num_attention_heads=4,
              num_key_value_heads=2, head_dim=16, num_hidden_layers=1, max_position_embeddings=256,
              attention_bias=False, pad_token_id=None, bos_token_id=None, eos_token_id=2,
              rms_norm_eps=1e-5)
DECODED = ("self_attn.q_proj", "mlp.down_proj", "experts.1.up_proj")
# Every expert is chosen: activations in int8 would else choose others now and then.
MOE_CONFIG = CONFIG | dict(moe_intermediate_size=64, num_experts=3, num_experts_per_tok=3, norm_topk_prob=True)


def pack(codes, bits):
    """[n, m] codes to [n, ceil(m * bits / 32)] words: one stream of bits a row, low bits first."""
    words = -(-codes.shape[1] * bits // 32)
    out = torch.zeros(codes.shape[0], words, dtype=torch.int64)
    for row, values in enumerate(codes.tolist()):
        stream = sum(int(v) << (i * bits) for i, v in enumerate(values))
        for w in range(words):
            out[row, w] = stream >> (32 * w) & 0xFFFFFFFF
    return torch.where(out >= 1 << 31, out - (1 << 32), out).to(torch.int32)


def floats(generator, *shape):
    return torch.rand(*shape, generator=generator)


class Gptq:
    scale_type = torch.float16

    def __init__(self, bits, group, version=1, sym=True, desc_act=False, lie=False):
        self.bits, self.group, self.version = bits, group, version
        self.sym, self.desc_act = sym, desc_act
        # `lie`: files of version 2 that call themselves "gptq".
        self.config = dict(quant_method="gptq", bits=bits, group_size=group, sym=sym,
                           desc_act=desc_act, checkpoint_format="gptq_v2" if version == 2 and not lie
                           else "gptq")

    def make(self, out, columns, generator):
        group = columns if self.group < 0 else self.group
        groups = columns // group
        top = 1 << self.bits
        codes = torch.randint(0, top, (out, columns), generator=generator)
        zeros = torch.randint(1, top, (out, groups), generator=generator)
        if self.sym:
            zeros[:] = top // 2
        scales = (floats(generator, out, groups) * 0.6 / top + 0.2 / top).half()
        index = torch.arange(columns) // group
        if self.desc_act:
            index = index[torch.randperm(columns, generator=generator)]
        stored_zeros = zeros if self.version == 2 else (zeros - 1) % top
        tensors = dict(qweight=pack(codes, self.bits).T.contiguous(),
                       qzeros=pack(stored_zeros.T.contiguous(), self.bits),
                       scales=scales.T.contiguous(), g_idx=index.to(torch.int32))
        return tensors, scales[:, index] * (codes - zeros[:, index]).half()


class Awq:
    scale_type = torch.float16
    config = dict(quant_method="awq", bits=4, group_size=32, zero_point=True, version="gemm",
                  modules_to_not_convert=None)

    @staticmethod
    def pack_output(codes):
        """[n, out] to [n, out / 8]: nibble i of a word is column order[i]."""
        order = [0, 2, 4, 6, 1, 3, 5, 7]
        eights = codes.reshape(codes.shape[0], -1, 8)[:, :, order]
        return pack(eights.reshape(codes.shape[0], -1), 4)

    def make(self, out, columns, generator):
        codes = torch.randint(0, 16, (columns, out), generator=generator)
        zeros = torch.randint(0, 16, (columns // 32, out), generator=generator)
        scales = (floats(generator, columns // 32, out) * 0.05 + 0.01).half()
        tensors = dict(qweight=self.pack_output(codes), qzeros=self.pack_output(zeros),
                       scales=scales)
        weight = (codes - zeros.repeat_interleave(32, 0)).half() * scales.repeat_interleave(32, 0)
        return tensors, weight.T.contiguous()


class Compressed:
    """compressed-tensors, packed or as bytes."""

    def __init__(self, form, bits, strategy, kind="int", sym=True, group=None, block=None,
                 scale_type=torch.bfloat16):
        self.form, self.bits, self.strategy, self.kind, self.sym = form, bits, strategy, kind, sym
        self.group, self.block, self.scale_type = group, block, scale_type
        weights = dict(num_bits=bits, type=kind, symmetric=sym, strategy=strategy, dynamic=False)
        if group:
            weights["group_size"] = group
        if block:
            weights["block_structure"] = block
        self.config = dict(quant_method="compressed-tensors", format=form, ignore=["lm_head"],
                           quantization_status="compressed", kv_cache_scheme=None,
                           config_groups=dict(group_0=dict(targets=["Linear"], weights=weights,
                                                           input_activations=None)))

    def make(self, out, columns, generator):
        row_block, column_block = {"tensor": (out, columns), "channel": (1, columns),
                                   "group": (1, self.group),
                                   "block": tuple(self.block or (0, 0))}[self.strategy]
        grid = (-(-out // row_block), -(-columns // column_block))

        def spread(values):
            return values.repeat_interleave(row_block, 0)[:out].repeat_interleave(
                column_block, 1)[:, :columns]

        if self.kind == "float":
            values = (torch.randn(out, columns, generator=generator) * 40).to(torch.float8_e4m3fn)
            scales = (floats(generator, *grid) * 0.008 + 0.002).to(self.scale_type)
            tensors = dict(weight=values, weight_scale=scales)
            weight = values.to(self.scale_type) * spread(scales)
        else:
            half = 1 << (self.bits - 1)
            codes = torch.randint(-half, half, (out, columns), generator=generator).to(torch.int8)
            zeros = torch.randint(-half, half, grid, generator=generator).to(torch.int8)
            scales = (floats(generator, *grid) * 0.3 / half + 0.1 / half).to(self.scale_type)
            weight = codes.to(self.scale_type)
            if not self.sym:
                weight = weight - spread(zeros).to(self.scale_type)
            weight = weight * spread(scales)
            if self.form == "pack-quantized":
                tensors = dict(weight_packed=pack(codes.int() + half, self.bits),
                               weight_shape=torch.tensor([out, columns]))
                zeros = pack((zeros.int() + half).T.contiguous(), self.bits).T.contiguous()
            else:
                tensors = dict(weight=codes)
            tensors["weight_scale"] = scales.reshape([1]) if self.strategy == "tensor" else scales
            if not self.sym:
                tensors["weight_zero_point"] = zeros
        return tensors, weight


class BlockFp8:
    scale_type = torch.bfloat16
    # Neither divides all of the sizes: the last blocks are partial.
    config = dict(quant_method="fp8", fmt="e4m3", activation_scheme="dynamic",
                  weight_block_size=[48, 40])

    def make(self, out, columns, generator):
        values = (torch.randn(out, columns, generator=generator) * 40).to(torch.float8_e4m3fn)
        scales = floats(generator, -(-out // 48), -(-columns // 40)) * 0.008 + 0.002
        spread = scales.repeat_interleave(48, 0)[:out].repeat_interleave(40, 1)[:, :columns]
        return dict(weight=values, weight_scale_inv=scales), values.float() * spread


CASES = {
    "gptq4": Gptq(4, 32),
    "gptq4_act_order": Gptq(4, 32, version=2, sym=False, desc_act=True),
    "gptq4_mislabelled": Gptq(4, -1, version=2, lie=True),
    "gptq3": Gptq(3, 32, sym=False),
    "gptq2": Gptq(2, 32),
    "gptq8": Gptq(8, -1),
    "awq": Awq(),
    "packed_int4": Compressed("pack-quantized", 4, "group", group=32),
    "packed_int4_asymmetric": Compressed("pack-quantized", 4, "group", sym=False, group=32,
                                         scale_type=torch.float16),
    "packed_int8": Compressed("pack-quantized", 8, "channel"),
    "int8": Compressed("int-quantized", 8, "channel"),
    "int8_tensor_asymmetric": Compressed("naive-quantized", 8, "tensor", sym=False,
                                         scale_type=torch.float32),
    "fp8_channel": Compressed("float-quantized", 8, "channel", kind="float"),
    "fp8_blocks": Compressed("float-quantized", 8, "block", kind="float", block=[32, 32]),
    "fp8": BlockFp8(),
    "moe_gptq4": Gptq(4, 32),
    "moe_awq": Awq(),
    "moe_packed_int4": Compressed("pack-quantized", 4, "group", group=32),
    "moe_fp8_channel": Compressed("float-quantized", 8, "channel", kind="float"),
    "moe_fp8": BlockFp8(),
}


def check(name, case, tensors, weight):
    """Against the libraries, where they are at hand."""
    if name == "awq":
        from awq.utils.packing_utils import dequantize_gemm
        found = dequantize_gemm(tensors["qweight"], tensors["qzeros"], tensors["scales"], 4, 32).T
    else:
        from compressed_tensors.compressors import BaseCompressor
        from compressed_tensors.quantization import QuantizationScheme
        scheme = QuantizationScheme(**case.config["config_groups"]["group_0"])
        compressor = BaseCompressor.get_value_from_registry(case.config["format"])
        found = compressor.decompress(dict(tensors), scheme)["weight"]
    assert torch.equal(found, weight), (name, (found.double() - weight.double()).abs().max())
    print(f"{name}: the library decodes the same {found.dtype}")


def make(folder, name, case, seed, libraries):
    generator = torch.Generator().manual_seed(seed)
    if name.startswith("moe_"):
        model = transformers.Qwen3MoeForCausalLM(transformers.Qwen3MoeConfig(**MOE_CONFIG)).eval()
        model.set_experts_implementation("eager")  # the others know no f64
    else:
        model = transformers.Glm4ForCausalLM(transformers.Glm4Config(**CONFIG)).eval()
    stored_type = torch.bfloat16 if case.scale_type == torch.float32 else case.scale_type
    tensors, decoded = {}, {}
    for key, parameter in sorted(model.named_parameters()):
        module = key.removesuffix(".weight")
        if key.endswith("_proj.weight"):
            parts, weight = case.make(*parameter.shape, generator)
            if libraries and (name == "awq" or isinstance(case, Compressed)):
                check(name, case, parts, weight)
            tensors |= {f"{module}.{part}": value for part, value in parts.items()}
            if module.endswith(DECODED):
                decoded[key] = weight.contiguous()
            # What the model computes with: 16 bits, as `dtype` in config.json says.
            parameter.data = weight.to(stored_type).double()
            continue
        if ".experts." in key:  # fused in memory; one by one in files
            prefix, fused = key.rsplit(".", 1)
            pieces = ("gate_proj", "up_proj") if fused == "gate_up_proj" else ("down_proj",)
            whole = []
            for expert in range(parameter.shape[0]):
                for piece in pieces:
                    parts, weight = case.make(parameter.shape[1] // len(pieces), parameter.shape[2], generator)
                    module = f"{prefix}.{expert}.{piece}"
                    tensors |= {f"{module}.{part}": value for part, value in parts.items()}
                    if module.endswith(DECODED):
                        decoded[module + ".weight"] = weight.contiguous()
                    whole.append(weight.to(stored_type).double())
            parameter.data = torch.cat(whole).reshape(parameter.shape)
            continue
        noise = torch.randn(parameter.shape, generator=generator)
        plain = (1.0 + 0.3 * noise).clamp(0.1, 2.0) if "norm" in key else 0.3 * noise
        tensors[key] = plain.to(stored_type)
        parameter.data = tensors[key].double()
    prompt = torch.randint(3, CONFIG["vocab_size"], (24,), generator=generator)
    with torch.no_grad():
        logits = model.double()(input_ids=prompt[None], use_cache=False).logits[0]
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, folder / "model.safetensors", metadata=dict(format="pt"))
    save_file(dict(prompt=prompt, logits=logits.float().contiguous()) | decoded,
              folder / "golden.safetensors")
    config = model.config.to_dict() | dict(architectures=[type(model).__name__],
                                           dtype=str(stored_type).removeprefix("torch."),
                                           quantization_config=case.config)
    (folder / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
    print(f"{name}: logits std {logits.std():.2f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--libraries", action="store_true", help="compare with the libraries too")
    arguments = parser.parse_args()
    torch.manual_seed(0)
    for seed, (name, case) in enumerate(CASES.items()):
        make(arguments.folder / name, name, case, 1000 + seed, arguments.libraries)


if __name__ == "__main__":
    main()
