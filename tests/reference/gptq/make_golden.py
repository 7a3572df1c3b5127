#!/usr/bin/env python3
"""GPTQ in numpy, from the paper's formulas (arXiv 2210.17323, algorithm 1) in double precision, on a small
layer: writes tests/data/gptq_reference.json, which src/train/quantize/gptq_test.cc compares with.

    H = X^T X / rows + 1 % of its mean diagonal;  U = upper Cholesky factor of the inverse of H
    for each column j:  q_j = round(w_j / d);  e = (w_j - d q_j) / U_jj;  w_i -= e U_ji for i > j
"""
import json
import pathlib

import numpy as np


def gptq(weights, inputs, scales, most):
    h = inputs.T @ inputs / len(inputs)
    h += 0.01 * np.diag(h).mean() * np.eye(len(h))
    upper = np.linalg.cholesky(np.linalg.inv(h)).T
    w, codes = weights.copy(), np.zeros(weights.shape, dtype=int)
    for j in range(w.shape[1]):
        codes[:, j] = np.clip(np.rint(w[:, j] / scales), -most, most)
        error = (w[:, j] - codes[:, j] * scales) / upper[j, j]
        w[:, j + 1:] -= np.outer(error, upper[j, j + 1:])
    return codes


def main():
    random = np.random.default_rng(7)
    rows, columns = 160, 136  # more than one block of 128
    x = random.normal(size=(rows, columns))
    for j in range(1, columns):
        x[:, j] += 0.7 * x[:, j - 1]
    x[:, 3] *= 8
    x = np.round(x, 1)
    w = np.round(random.normal(size=(4, columns)) * 0.05, 4)
    scales = np.round(np.abs(w).max(1) / 6, 5)  # some 13 levels: rounding that can be seen
    codes = gptq(w, x, scales, 127)
    nearest = np.clip(np.rint(w / scales[:, None]), -127, 127)
    loss = lambda q: float(((x @ (w - q * scales[:, None]).T) ** 2).sum())
    out = {"columns": columns, "inputs": x.ravel().tolist(), "weights": w.ravel().tolist(),
           "scales": scales.tolist(), "codes": codes.ravel().tolist(),
           "loss": loss(codes), "loss_of_nearest": loss(nearest)}
    path = pathlib.Path(__file__).resolve().parents[2] / "data" / "gptq_reference.json"
    path.write_text(json.dumps(out, separators=(",", ":")) + "\n")
    print(f"{path.name}: loss {out['loss']:.3f}, of rounding to nearest {out['loss_of_nearest']:.3f}")


if __name__ == "__main__":
    main()
