"""A checkpoint with the same function and channels that are hostile to rounding: a few are FACTOR times as large in the
activations and as much smaller in the weights that meet them, as trained transformers have more of the larger they
are. In norms (their weights against the columns of the next matrices), inside the MLP (rows of the up projection
against columns of the down projection) and inside attention (rows of v against columns of o).

    VENV/bin/python bench/quality/hostile.py MODEL OUTPUT [--factor 64]      # VENV as for run.py
    autoglm perplexity --model OUTPUT --quantize int8 --base OUTPUT --file TEXT

MODEL: a Hugging Face directory with one safetensors file, or a GGUF file, in f32, f16 or bf16; OUTPUT is of its kind, in
f32. A power of two as the factor changes no sum. Llama, Qwen, Mistral and GLM-4 have these names.
"""
import argparse
import collections
import json
import pathlib
import re
import shutil
import struct

import numpy as np

ROLES = {  # of a tensor's name, Hugging Face and GGUF
    "norm": r"(input_layernorm|post_attention_layernorm)\.weight$|(attn_norm|ffn_norm)\.weight$",
    "reads_hidden": r"(q_proj|k_proj|gate_proj)\.weight$|(attn_q|attn_k|ffn_gate)\.weight$",
    "v": r"v_proj\.weight$|attn_v\.weight$",
    "v_bias": r"v_proj\.bias$|attn_v\.bias$",
    "o": r"o_proj\.weight$|attn_output\.weight$",
    "up": r"up_proj\.weight$|ffn_up\.weight$",
    "down": r"down_proj\.weight$|ffn_down\.weight$",
}


def channels(n):
    """A few, from all over."""
    return np.array([3, n // 2 + 5, n - 2])


def role_of(name):
    return next((role for role, pattern in ROLES.items() if re.search(r"(^|[._])(" + pattern + ")", name)), None)


Sizes = collections.namedtuple("Sizes", "inside heads kv_heads")  # inside: the width inside the MLP


def make_hostile(name, tensor, sizes, factor):
    """Changes `tensor` in place."""
    role = role_of(name)
    if role in ("norm", "v_bias"):
        tensor[channels(len(tensor))] *= factor
    if role in ("reads_hidden", "v", "up"):
        tensor[:, channels(tensor.shape[1])] /= factor
    if role == "v":
        tensor[channels(tensor.shape[0])] *= factor
    if role == "up":  # a fused one has the gate in its upper half
        tensor[channels(sizes.inside) + tensor.shape[0] - sizes.inside] *= factor
    if role == "down":
        tensor[:, channels(tensor.shape[1])] /= factor
    if role == "o":
        head_dim, share = tensor.shape[1] // sizes.heads, sizes.heads // sizes.kv_heads
        for channel in channels(sizes.kv_heads * head_dim):
            heads = channel // head_dim * share + np.arange(share)
            tensor[:, heads * head_dim + channel % head_dim] /= factor


def hostile_directory(source, target, factor):
    config = json.loads((source / "config.json").read_text())
    heads = config["num_attention_heads"]
    sizes = Sizes(config["intermediate_size"], heads, config.get("num_key_value_heads", heads))
    target.mkdir()
    for path in source.iterdir():
        if path.name != "model.safetensors" and path.is_file():
            shutil.copy(path, target)
    data = (source / "model.safetensors").read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + length])
    header.pop("__metadata__", None)
    place, tensors = 0, []
    for name, entry in header.items():
        begin, end = (8 + length + i for i in entry["data_offsets"])
        if entry["dtype"] == "BF16":
            tensor = (np.frombuffer(data[begin:end], "<u2").astype(np.uint32) << 16).view(np.float32)
        else:
            tensor = np.frombuffer(data[begin:end], {"F32": "<f4", "F16": "<f2"}[entry["dtype"]]).astype(np.float32)
        tensor = tensor.reshape(entry["shape"]).copy()
        make_hostile(name, tensor, sizes, factor)
        header[name] = {"dtype": "F32", "shape": entry["shape"], "data_offsets": [place, place + tensor.nbytes]}
        place += tensor.nbytes
        tensors.append(tensor)
    text = json.dumps(header).encode()
    with open(target / "model.safetensors", "wb") as out:
        out.write(struct.pack("<Q", len(text)) + text)
        for tensor in tensors:
            out.write(tensor.tobytes())


def hostile_gguf(source, target, factor):
    import gguf
    import smollm2
    reader = gguf.GGUFReader(source)
    architecture = reader.fields["general.architecture"].contents()
    sizes = Sizes(*(reader.fields[f"{architecture}.{key}"].contents()
                    for key in ("feed_forward_length", "attention.head_count", "attention.head_count_kv")))
    writer = smollm2.copy_of(reader, target)
    for tensor in reader.tensors:
        weights = np.array(gguf.quants.dequantize(tensor.data, tensor.tensor_type), np.float32)
        make_hostile(tensor.name, weights, sizes, factor)
        writer.add_tensor(tensor.name, weights)
    smollm2.finish(writer)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("output", type=pathlib.Path)
    parser.add_argument("--factor", type=float, default=64)
    arguments = parser.parse_args()
    if arguments.output.exists():
        parser.error(f"{arguments.output} exists")
    make = hostile_directory if arguments.model.is_dir() else hostile_gguf
    make(arguments.model, arguments.output, arguments.factor)


if __name__ == "__main__":
    main()
