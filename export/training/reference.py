"""The unified decoder once more, in plain float64 numpy and one sequence at a time: the yardstick for PyTorch, ONNX and C#.

It shares nothing with model.py but the file format. Shapes: S tokens, H hidden, N patches, D head size.
"""

import json

import numpy as np

from export_hf import read_safetensors


class Reference:
    def __init__(self, folder):
        self.config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        self.weights = {name: tensor.astype(np.float64) for name, tensor in read_safetensors(folder / "model.safetensors").items()}

    def logits(self, ids, patches, grids):
        """ids int64 [S]; patches float [N, 3*p*p] normalized, all images in order; grids [(rows, columns)]. Returns float64 [S, V]."""
        c, w = self.config, self.weights
        h = w["model.embed_tokens.weight"][ids]
        places = np.array([(row, column) for rows, columns in grids for row in range(rows) for column in range(columns)], int).reshape(-1, 2)
        h[np.asarray(ids) == c["image_token_id"]] = (
            patches.astype(np.float64) @ w["model.patch_embed.weight"].T + w["model.patch_embed.bias"]
            + w["model.patch_row_embed.weight"][places[:, 0]] + w["model.patch_column_embed.weight"][places[:, 1]])
        for i in range(c["num_hidden_layers"]):
            layer = f"model.layers.{i}."
            h = h + self._attention(layer + "self_attn.", self._norm(layer + "input_layernorm", h))
            n = self._norm(layer + "post_attention_layernorm", h)
            gate = n @ w[layer + "mlp.gate_proj.weight"].T
            h = h + (gate / (1 + np.exp(-gate)) * (n @ w[layer + "mlp.up_proj.weight"].T)) @ w[layer + "mlp.down_proj.weight"].T
        return self._norm("model.norm", h) @ w["model.embed_tokens.weight"].T

    def generate(self, ids, patches, grids, count):
        """Returns (tokens int64 [count], logits float64 [count, V] from which each was taken), greedily, without a cache."""
        ids, rows = list(ids), []
        for _ in range(count):
            rows.append(self.logits(ids, patches, grids)[-1])
            ids.append(int(rows[-1].argmax()))
        return np.array(ids[-count:], np.int64), np.array(rows)

    def _norm(self, name, x):
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + self.config["rms_norm_eps"]) * self.weights[name + ".weight"]

    def _attention(self, name, x):
        c, length, size = self.config, len(x), self.config["head_dim"]
        q, k, v = (x @ self.weights[f"{name}{part}_proj.weight"].T for part in "qkv")
        group = c["num_attention_heads"] // c["num_key_value_heads"]
        future = np.triu(np.ones((length, length), bool), 1)
        heads = []
        for head in range(c["num_attention_heads"]):
            shared = head // group
            scores = self._rope(q[:, head * size:(head + 1) * size]) @ self._rope(k[:, shared * size:(shared + 1) * size]).T / size ** 0.5
            scores[future] = -np.inf
            weights = np.exp(scores - scores.max(-1, keepdims=True))
            heads.append(weights / weights.sum(-1, keepdims=True) @ v[:, shared * size:(shared + 1) * size])
        return np.concatenate(heads, -1) @ self.weights[name + "o_proj.weight"].T

    def _rope(self, x):
        """Rotates pairs (i, i + D/2) of x [S, D] by position / theta^(2i/D)."""
        half = x.shape[1] // 2
        angles = np.arange(len(x))[:, None] / self.config["rope_theta"] ** (np.arange(half) / half)
        first, second = x[:, :half], x[:, half:]
        return np.concatenate([first * np.cos(angles) - second * np.sin(angles), second * np.cos(angles) + first * np.sin(angles)], -1)
