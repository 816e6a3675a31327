"""Muon (Jordan et al., 2024): momentum whose update for a matrix is replaced by the nearest orthogonal one.

Used for the matrices inside the layers; embeddings, norms and the patch projection take AdamW.
"""

import torch


class Muon(torch.optim.Optimizer):
    """half_products: the iteration multiplies bfloat16 matrices, as its authors do; singular values end as near to 1."""

    def __init__(self, parameters, lr, momentum=0.95, weight_decay=0.0, half_products=False):
        super().__init__(parameters, dict(lr=lr, momentum=momentum, weight_decay=weight_decay))
        self.dtype = torch.bfloat16 if half_products else torch.float32

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for parameter in group["params"]:
                state = self.state[parameter]
                if not state:
                    state["momentum"] = torch.zeros_like(parameter)
                state["momentum"].lerp_(parameter.grad, 1 - group["momentum"])
                update = orthogonalize(parameter.grad.lerp(state["momentum"], group["momentum"]), self.dtype)
                scale = max(1.0, parameter.shape[0] / parameter.shape[1]) ** 0.5
                parameter.mul_(1 - group["lr"] * group["weight_decay"]).add_(update, alpha=-group["lr"] * scale)


def orthogonalize(matrix, dtype=torch.float32, steps=5):
    """Newton-Schulz iteration with the quintic coefficients of the Muon paper; singular values end near 1."""
    tall = matrix.shape[0] > matrix.shape[1]
    x = ((matrix.T if tall else matrix) / (matrix.norm() + 1e-7)).to(dtype)
    for _ in range(steps):
        gram = x @ x.T
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * (gram @ gram)) @ x
    x = x.to(matrix.dtype)
    return x.T if tall else x
