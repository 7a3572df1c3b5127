#!/usr/bin/env python3
"""Writes what transformers computes inside a checkpoint, op by op: layers.safetensors.

It holds the prompt, which of its rows are kept, and for each op a tensor [rows, columns] named after
the module that it belongs to, or for what is no module of transformers:
  ...self_attn.q_rotary, k_rotary     queries and keys once they are rotated
  ...self_attn.attention              what o_proj reads
  ...mlp.swiglu                       what down_proj reads
  NAME+residual                       the sum of NAME's result and what came before
The tests (tests/goldens/layers_test.cc) compare them with what the program computes, and name the
first that differs. For the files of tests/data/goldens:

    python tools/goldens/make_layers.py tests/data/goldens/{glm,glm4,llama_biased,llama_rope_yarn}
    python tools/goldens/make_layers.py tests/data/goldens/{mistral_window,qwen2_window,qwen3}
    python tools/goldens/make_layers.py models/tiny-glm --to tests/data/goldens/tiny_glm --rows 4

For any other checkpoint, which then says where the program leaves the reference:

    python tools/goldens/make_layers.py FOLDER
    AUTOGLM_LAYERS=FOLDER build/release/goldens_test --gtest_filter='GoldenLayers.OfTheFolderAskedFor'

Needs torch and transformers 5.23.
"""

import argparse
import pathlib
import sys

import torch
import transformers
from safetensors import safe_open
from safetensors.torch import save_file

N_PROMPT = 50


class Recording:
    """Values of one pass, by name, as rows of floats."""

    def __init__(self, model):
        self.values = {}
        self.n_rotated = 0
        for name, module in model.named_modules():
            last = name.split(".")[-1]
            if isinstance(module, torch.nn.Linear | torch.nn.Embedding) or last.endswith("norm"):
                module.register_forward_hook(self.result_of(name))
            if last == "o_proj":
                module.register_forward_pre_hook(self.input_as(name[:-6] + "attention"))
            if last == "down_proj":
                module.register_forward_pre_hook(self.input_as(name[:-9] + "swiglu"))
        for i, layer in enumerate(model.model.layers):
            # Sub-layers end with a norm of their own, or with a product.
            sandwich = hasattr(layer, "post_self_attn_layernorm")
            of_attention = "post_self_attn_layernorm" if sandwich else "self_attn.o_proj"
            of_mlp = "post_mlp_layernorm" if sandwich else "mlp.down_proj"
            prefix = f"model.layers.{i}."
            layer.post_attention_layernorm.register_forward_pre_hook(
                self.input_as(prefix + of_attention + "+residual"))
            layer.register_forward_hook(self.result_of(prefix + of_mlp + "+residual"))
        self.watch_rotation(sys.modules[type(model).__module__])

    def keep(self, name, value):
        assert name not in self.values, name
        self.values[name] = value[0].reshape(value.shape[1], -1).float().contiguous()

    def result_of(self, name):
        def hook(module, inputs, result):
            self.keep(name, result[0] if isinstance(result, tuple) else result)
        return hook

    def input_as(self, name):
        def hook(module, inputs):
            self.keep(name, inputs[0])
        return hook

    def watch_rotation(self, modeling):
        rotate = modeling.apply_rotary_pos_emb

        def watched(q, k, *arguments, **more):
            result = rotate(q, k, *arguments, **more)
            for name, value in zip("qk", result):  # [1, heads, rows, head_dim]
                self.keep(f"model.layers.{self.n_rotated}.self_attn.{name}_rotary",
                          value.transpose(1, 2))
            self.n_rotated += 1
            return result

        modeling.apply_rotary_pos_emb = watched


def prompt_of(folder, config):
    golden = folder / "golden.safetensors"
    if golden.exists():
        with safe_open(golden, "pt") as file:
            return file.get_tensor("prompt")
    generator = torch.Generator().manual_seed(1)
    return torch.randint(3, config.vocab_size, (N_PROMPT,), generator=generator)


def rows_of(n_prompt, n_rows):
    """The first, the last, some on both sides of a page's end (32) and beyond windows."""
    wanted = [0, n_prompt - 1, 32, 18, 31, 7, 1, 16]
    return torch.tensor(sorted(r for r in wanted[:n_rows] if r < n_prompt))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", type=pathlib.Path, nargs="+")
    parser.add_argument("--to", type=pathlib.Path, help="where the file goes, if not to FOLDER")
    parser.add_argument("--rows", type=int, default=6, help="how many rows are kept")
    arguments = parser.parse_args()
    torch.set_num_threads(1)  # one order of sums, so the same bytes each time
    transformers.logging.set_verbosity_error()
    for folder in arguments.folders:
        # float64, but for norms and angles, which transformers computes in f32.
        model = transformers.AutoModelForCausalLM.from_pretrained(
            folder, dtype=torch.float64, attn_implementation="eager").eval()
        prompt = prompt_of(folder, model.config)
        recording = Recording(model)
        with torch.no_grad():
            model(input_ids=prompt[None], use_cache=False)
        rows = rows_of(len(prompt), arguments.rows)
        tensors = {name: value[rows].clone() for name, value in recording.values.items()}
        to = arguments.to or folder
        to.mkdir(parents=True, exist_ok=True)
        save_file(tensors | dict(prompt=prompt, rows=rows), to / "layers.safetensors")
        size = (to / "layers.safetensors").stat().st_size
        print(f"{folder}: {len(tensors)} values of {len(rows)} rows, {size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
