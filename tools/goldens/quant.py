#!/usr/bin/env python3
"""Writes tests/data/quant/: blocks of every GGUF format with what the Python package `gguf` makes of them.

NAME.decode.bin  4 blocks of random bits (finite scales), then their f32 values.
NAME.encode.bin  4 blocks' worth of f32 values, then their encoding, for the formats that gguf encodes.
f16.bin          f32 values around every edge of binary16, then their f16 bits as numpy rounds them.
"""
import pathlib

import gguf
import numpy as np

OUT = pathlib.Path(__file__).resolve().parents[2] / "tests" / "data" / "quant"
N_BLOCKS = 4
# Byte positions of the f16 fields in a block.
HALVES = {"Q8_0": [0], "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q2_K": [80, 82],
          "Q3_K": [108], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208],
          "IQ4_NL": [0], "IQ4_XS": [0]}


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(20240607)
    for name, halves in HALVES.items():
        kind = gguf.GGMLQuantizationType[name]
        elements, size = gguf.GGML_QUANT_SIZES[kind]
        blocks = random.integers(0, 256, (N_BLOCKS, size), dtype=np.uint8)
        for at in halves:
            scales = random.normal(0, 0.02, (N_BLOCKS, 1)).astype(np.float16)
            blocks[:, at:at + 2] = scales.view(np.uint8)
        values = gguf.quants.dequantize(blocks, kind).astype(np.float32)
        (OUT / f"{name}.decode.bin").write_bytes(blocks.tobytes() + values.tobytes())
        floats = random.normal(0, 0.02, (N_BLOCKS, elements)).astype(np.float32)
        floats[0] = 0  # a scale of zero
        floats[1, 0] = -3  # one outlier
        try:
            encoded = gguf.quants.quantize(floats, kind)
        except NotImplementedError:
            continue
        (OUT / f"{name}.encode.bin").write_bytes(floats.tobytes() + encoded.tobytes())
    edges = np.array([0, 6e-8, 2.9e-8, 2.98023223876953125e-8, 8.9e-8, 6.0975e-5, 6.1035e-5, 6.1e-5,
                      0.333333, 1, 1.00048828125, 1.0009765625, 1.00146484375, 2048.5, 2049, 2051,
                      65504, 65519.996, 65520, 65536, 1e9, np.inf], dtype=np.float32)
    edges = np.concatenate([edges, -edges, random.normal(0, 1, 64).astype(np.float32),
                            np.float32(2.0) ** random.uniform(-26, 17, 64).astype(np.float32)])
    edges = edges.astype(np.float32)
    with np.errstate(over="ignore"):
        (OUT / "f16.bin").write_bytes(edges.tobytes() + edges.astype(np.float16).tobytes())


if __name__ == "__main__":
    main()
