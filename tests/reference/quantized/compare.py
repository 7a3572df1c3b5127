#!/usr/bin/env python3
"""Reads checkpoints of `autoglm quantize` as docs/formats/progressive.md says, in numpy, and compares.

    tests/reference/quantized/compare.py build/release/autoglm models/tiny-glm

For every matrix the distance from the original's weights must be what the report says, and the sizes
of all that is stored must give the report's bits a weight.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

KINDS = {"F32": np.float32, "F16": np.float16, "BF16": np.uint16, "I8": np.int8, "U8": np.uint8}
# Options of the command, and the sizes of groups that the file must then have.
CASES = [(["--bits", "4"], {32}), (["--bits", "4", "--group-size", "64"], {64}),
         (["--bits", "4", "--group-size", "128"], {128}), (["--bits", "4.4"], {32, 64, 128}),
         (["--bits", "6", "--group-size", "64"], {64}), (["--bits", "8"], set())]


def read(folder):
    """The tensors of model.safetensors; bf16 as floats."""
    data = (folder / "model.safetensors").read_bytes()
    size = int.from_bytes(data[:8], "little")
    tensors = {}
    for name, about in json.loads(data[8:8 + size]).items():
        if name == "__metadata__":
            continue
        begin, end = (8 + size + offset for offset in about["data_offsets"])
        values = np.frombuffer(data[begin:end], KINDS[about["dtype"]]).reshape(about["shape"])
        if about["dtype"] == "BF16":
            values = (values.astype(np.uint32) << 16).view(np.float32)
        tensors[name] = values
    return tensors


def group_size(columns, groups):
    return next(size for size in (32, 64, 128) if -(-columns // size) == groups)


def matrix(tensors, name):
    return turned_back(turned(tensors, name))


def turned_back(rows):
    """transpose(T) of every row; T = B2 * B1 * A as docs/formats/progressive.md has it."""
    columns = rows.shape[1]
    block = 1
    while block < 512 and columns % (2 * block) == 0:
        block *= 2
    blocks = 1
    while blocks * 2 <= columns // block:
        blocks *= 2

    def hadamard(n):
        matrix = np.ones((1, 1))
        while len(matrix) < n:
            matrix = np.block([[matrix, matrix], [matrix, -matrix]])
        return matrix

    def across(x, first):
        part = x[:, first:first + block * blocks].reshape(len(x), blocks, block)
        mixed = np.einsum("ij,rjk->rik", hadamard(blocks), part) / np.sqrt(blocks)
        x[:, first:first + block * blocks] = mixed.reshape(len(x), -1)

    x = rows.astype(np.float64)
    if block * blocks < columns:
        across(x, columns - block * blocks)
    across(x, 0)
    return (x.reshape(len(x), -1, block) @ hadamard(block)).reshape(len(x), -1).astype(np.float32)


def turned(tensors, name):
    codes, channel = tensors[name + "_codes"], tensors[name + "_channel_scales"][:, None]
    if codes.dtype == np.int8:
        return codes.astype(np.float32) * channel
    q = np.stack([codes & 15, codes >> 4], -1).reshape(len(codes), -1).astype(np.int32)
    size = group_size(q.shape[1], tensors[name + "_group_scales"].shape[1])
    spread = lambda part: np.repeat(tensors[name + part].astype(np.int32), size, 1)[:, :q.shape[1]]
    return (spread("_group_scales") * q + spread("_group_offsets")).astype(np.float32) * channel


def check(program, model, options, sizes, folder):
    out, report = folder / "out", folder / "report"
    subprocess.run([program, "quantize", model, out, "--report", report, *options], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    said = json.loads((report / "report.json").read_text())
    before, after = read(model), read(out)
    found, stored, elements = set(), 0, 0
    for row in said["matrices"]:
        name = row["tensor"]
        w, held = before[name].astype(np.float64), matrix(after, name).astype(np.float64)
        error = np.linalg.norm(w - held) / np.linalg.norm(w)
        assert abs(error - row["weight_error"]) < 1e-5 * error, (name, error, row["weight_error"])
        elements += w.size
        stored += sum(after[name + part].nbytes for part in
                      ("_codes", "_group_scales", "_group_offsets", "_channel_scales") if name + part in after)
        if row["bits"] == 4:
            size = group_size(row["columns"], after[name + "_group_scales"].shape[1])
            found.add(size)
            assert size == row["group_size"], (name, size, row)
    assert found == sizes, (options, found)
    assert abs(8 * stored / elements - said["bits_per_weight"]) < 1e-9, (options, stored, elements)
    print(f"{' '.join(options)}: {len(said['matrices'])} matrices as reported, "
          f"{said['layer_bits_per_weight']:.3f} bits a weight in the layers")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("autoglm")
    parser.add_argument("model", type=pathlib.Path)
    arguments = parser.parse_args()
    for options, sizes in CASES:
        with tempfile.TemporaryDirectory() as folder:
            check(arguments.autoglm, arguments.model, options, sizes, pathlib.Path(folder))


if __name__ == "__main__":
    sys.exit(main())
