"""Muon in f32: momentum, made orthogonal, as the step of a matrix.

After Keller Jordan's description (https://kellerjordan.github.io/posts/muon/), with its quintic
Newton-Schulz coefficients. torch.optim.Muon does the same in bf16, which is very slow on processors
that have no bf16 products.
"""

import torch

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
ITERATIONS = 5


def orthogonal(matrix):
    """About U V^T of matrix = U S V^T: singular values end between 0.7 and 1.2."""
    a, b, c = COEFFICIENTS
    x = matrix.T if matrix.shape[0] > matrix.shape[1] else matrix
    x = x / (x.norm() + 1e-7)
    for _ in range(ITERATIONS):
        gram = x @ x.T
        x = a * x + torch.addmm(gram, gram, gram, beta=b, alpha=c) @ x
    return x.T if matrix.shape[0] > matrix.shape[1] else x


class Muon(torch.optim.Optimizer):
    def __init__(self, matrices, lr, momentum=0.95, weight_decay=0.0):
        super().__init__(matrices, dict(lr=lr, momentum=momentum, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for matrix in group["params"]:
                state = self.state[matrix]
                if not state:
                    state["momentum"] = torch.zeros_like(matrix)
                moving = state["momentum"].lerp_(matrix.grad, 1 - group["momentum"])
                ahead = matrix.grad.lerp(moving, group["momentum"])
                matrix.mul_(1 - group["lr"] * group["weight_decay"])
                taller = max(1.0, matrix.shape[0] / matrix.shape[1]) ** 0.5
                matrix.add_(orthogonal(ahead), alpha=-group["lr"] * taller)
