"""The unified decoder in PyTorch: pixels and text in one causal transformer, no vision encoder.

- 8 px patches go through one linear layer, plus learned row and column embeddings
- RMSNorm, rotary positions (rotate-half), grouped-query attention, gated SiLU MLP, tied head, no biases
- the last layer and the head run only where an answer token is predicted

Shapes: B sequences of S tokens, H hidden, N patches in the batch, M predicted positions. Parameter names are those of the
Hugging Face folder, so the state dict is the checkpoint.
"""

from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import nn


LETTER_LAYER = 4                    # after which image tokens name what ends in them
HINT_LAYERS = 2                     # so many layers below the last output, words of questions name what they ask about


@dataclass(frozen=True)
class ModelConfig:
    vocab_size: int
    hidden_size: int = 256
    intermediate_size: int = 704
    num_hidden_layers: int = 6
    num_attention_heads: int = 4
    num_key_value_heads: int = 2
    head_dim: int = 64
    rms_norm_eps: float = 1e-6
    rope_theta: float = 10000.0
    max_position_embeddings: int = 2048
    patch_size: int = 8
    num_patch_rows: int = 32
    num_patch_columns: int = 32

    def to_dict(self):
        return asdict(self)


class RmsNormFunction(torch.autograd.Function):
    """y = x / rms(x) * weight, with a backward of few passes over memory."""

    @staticmethod
    def forward(ctx, x, weight, eps):
        scale = torch.rsqrt(torch.linalg.vector_norm(x, dim=-1, keepdim=True).square_().div_(x.shape[-1]).add_(eps))
        normal = x * scale
        ctx.save_for_backward(normal, scale, weight)
        return normal * weight

    @staticmethod
    def backward(ctx, grad):
        normal, scale, weight = ctx.saved_tensors
        product = grad * normal
        grad_weight = product.sum(0)
        grad = grad * weight
        dot = (product @ weight).div_(grad.shape[-1])[:, None]
        return torch.addcmul(grad, normal, dot, value=-1).mul_(scale), grad_weight, None


class HalfProduct(torch.autograd.Function):
    """x @ weight.T with bfloat16 factors, summed in float32 and rounded to bfloat16; x float32 [N, I], weight float32 [O, I]."""

    @staticmethod
    def forward(ctx, x, weight):
        x, weight = x.bfloat16(), weight.bfloat16()
        ctx.save_for_backward(x, weight)
        return F.linear(x, weight).float()

    @staticmethod
    def backward(ctx, grad):
        x, weight = ctx.saved_tensors
        grad = grad.bfloat16()
        return (grad @ weight).float(), (grad.T @ x).float()


class Linear(nn.Linear):
    """A linear layer without bias. train.py lets its products take half as many bits where the processor multiplies bfloat16 faster."""

    half_products = False

    def __init__(self, inputs, outputs):
        super().__init__(inputs, outputs, bias=False)

    def forward(self, x):
        return HalfProduct.apply(x, self.weight) if Linear.half_products else F.linear(x, self.weight)


class CausalAttention(torch.autograd.Function):
    """softmax(q @ k.T / sqrt(D)) @ v of positions that see themselves and what stands before; q [N, G, S, D], k and v [N, S, D] -> [N, G, S, D].

    Chunks of queries meet only the keys that they see, and the backward pass needs four products of a chunk and no mask.
    """

    CHUNK = 64

    @staticmethod
    def forward(ctx, q, k, v):
        kept = torch.bfloat16 if Linear.half_products else torch.float32
        n, groups, length, size = q.shape
        out, shares = torch.empty_like(q), []
        v = v.to(kept)
        later = torch.full((CausalAttention.CHUNK, CausalAttention.CHUNK), float("-inf")).triu_(1)
        for start, end in CausalAttention.chunks(length):
            scores = torch.bmm(q[:, :, start:end].reshape(n, -1, size), k[:, :end].transpose(1, 2)).mul_(size ** -0.5)
            scores.view(n, groups, end - start, end)[..., start:] += later[:end - start, :end - start]
            share = torch.softmax(scores, dim=-1).to(kept)
            out[:, :, start:end] = torch.bmm(share, v[:, :end]).view(n, groups, end - start, size)
            shares.append(share)
        ctx.save_for_backward(q.to(kept), k.to(kept), v, *shares)
        return out

    @staticmethod
    def backward(ctx, grad):
        q, k, v, *shares = ctx.saved_tensors
        n, groups, length, size = q.shape
        grad = grad.to(q.dtype)
        grad_q, grad_k, grad_v = torch.empty(q.shape), torch.zeros(k.shape), torch.zeros(v.shape)
        for (start, end), share in zip(CausalAttention.chunks(length), shares):
            chunk, queries = (part[:, :, start:end].reshape(n, -1, size) for part in (grad, q))
            grad_v[:, :end] += torch.bmm(share.transpose(1, 2), chunk)
            grad_share = torch.bmm(chunk, v[:, :end].transpose(1, 2)).float()
            share = share.float()
            grad_share *= share
            grad_scores = torch.addcmul(grad_share, share, grad_share.sum(-1, keepdim=True), value=-1).mul_(size ** -0.5).to(q.dtype)
            grad_q[:, :, start:end] = torch.bmm(grad_scores, k[:, :end]).view(n, groups, end - start, size)
            grad_k[:, :end] += torch.bmm(grad_scores.transpose(1, 2), queries)
        return grad_q, grad_k, grad_v

    @staticmethod
    def chunks(length):
        return [(start, min(length, start + CausalAttention.CHUNK)) for start in range(0, length, CausalAttention.CHUNK)]


class RmsNorm(nn.Module):
    def __init__(self, size, eps):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x):
        return RmsNormFunction.apply(x, self.weight, self.eps)


class Attention(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.heads, self.kv_heads, self.head_dim = c.num_attention_heads, c.num_key_value_heads, c.head_dim
        self.q_proj = Linear(c.hidden_size, self.heads * self.head_dim)
        self.k_proj = Linear(c.hidden_size, self.kv_heads * self.head_dim)
        self.v_proj = Linear(c.hidden_size, self.kv_heads * self.head_dim)
        self.o_proj = Linear(self.heads * self.head_dim, c.hidden_size)

    def forward(self, x, batch, rope):
        """x [B*S, H] -> [B*S, H]. Query heads that share a key head are stacked along the rows of its products."""
        length = x.shape[0] // batch
        group = self.heads // self.kv_heads
        q = rotate(self.q_proj(x).view(batch, length, self.heads, self.head_dim), *rope)
        k = rotate(self.k_proj(x).view(batch, length, self.kv_heads, self.head_dim), *rope)
        v = self.v_proj(x).view(batch, length, self.kv_heads, self.head_dim)
        q = q.permute(0, 2, 1, 3).reshape(batch * self.kv_heads, group, length, self.head_dim)
        k = k.permute(0, 2, 1, 3).reshape(batch * self.kv_heads, length, self.head_dim)
        v = v.permute(0, 2, 1, 3).reshape(batch * self.kv_heads, length, self.head_dim)
        mixed = CausalAttention.apply(q, k, v)
        mixed = mixed.view(batch, self.heads, length, self.head_dim).transpose(1, 2).reshape(batch * length, -1)
        return self.o_proj(mixed)


class GatedMlp(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.gate_proj = Linear(c.hidden_size, c.intermediate_size)
        self.up_proj = Linear(c.hidden_size, c.intermediate_size)
        self.down_proj = Linear(c.intermediate_size, c.hidden_size)

    def forward(self, x):
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.input_layernorm = RmsNorm(c.hidden_size, c.rms_norm_eps)
        self.self_attn = Attention(c)
        self.post_attention_layernorm = RmsNorm(c.hidden_size, c.rms_norm_eps)
        self.mlp = GatedMlp(c)

    def forward(self, x, batch, rope, keep=None):
        """x [B*S, H]. With keep (int64 [M]), only these rows go on after the attention."""
        attended = self.self_attn(self.input_layernorm(x), batch, rope)
        if keep is not None:
            x, attended = x[keep], attended[keep]
        x = x + attended
        return x + self.mlp(self.post_attention_layernorm(x))


class UnifiedDecoder(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.patch_embed = nn.Linear(3 * config.patch_size ** 2, config.hidden_size)
        self.patch_row_embed = nn.Embedding(config.num_patch_rows, config.hidden_size)
        self.patch_column_embed = nn.Embedding(config.num_patch_columns, config.hidden_size)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.num_hidden_layers))
        self.norm = RmsNorm(config.hidden_size, config.rms_norm_eps)
        self._init_weights()

    def forward(self, ids, patches, patch_at, patch_rows, patch_columns, keep, letter_at=None, hint_at=None):
        """Returns logits [M, V] of the kept positions; with letter_at and hint_at, also what the tokens at these places say: [L + K, V].

        ids int64 [B, S], padded on the right (a causal mask needs no padding mask). patches float32 [N, 3*p*p], normalized.
        patch_at int64 [N]: where each patch stands in ids.view(-1). patch_rows, patch_columns int64 [N].
        keep int64 [M], letter_at int64 [L] and hint_at int64 [K]: rows of ids.view(-1).

        letter_at and hint_at serve training only. Read out after LETTER_LAYER layers, image tokens learn to name the letter that ends in them,
        so that the layers above need only find and copy it; some layers later, words of a question learn to name the count, value or place of what they mean,
        so that the last layers need only compare.
        """
        batch, length = ids.shape
        x = self.embed_tokens(ids.view(-1))                                                   # [B*S, H]
        if len(patch_at):
            image = self.patch_embed(patches) + self.patch_row_embed(patch_rows) + self.patch_column_embed(patch_columns)
            x = x.index_copy(0, patch_at, image)
        rope = rope_tables(length, self.config.head_dim, self.config.rope_theta)
        for i, layer in enumerate(self.layers[:-1]):
            x = layer(x, batch, rope)
            if letter_at is not None and i + 1 == LETTER_LAYER:
                letters = x[letter_at]
            if hint_at is not None and i + 1 == len(self.layers) - HINT_LAYERS:
                hints = x[hint_at]
        x = self.layers[-1](x, batch, rope, keep)                                             # [M, H]
        logits = F.linear(self.norm(x), self.embed_tokens.weight)
        return logits if letter_at is None else (logits, F.linear(self.norm(torch.cat([letters, hints])), self.embed_tokens.weight))

    def _init_weights(self):
        for parameter in self.parameters():
            if parameter.dim() == 2:
                nn.init.normal_(parameter, std=parameter.shape[1] ** -0.5)
        nn.init.normal_(self.embed_tokens.weight, std=0.05)
        # Image tokens begin as places with a little contrast: waves for row and column, and a projection blind to plain colour.
        # A large patch vector would drown its place, and all that the layers add to it.
        with torch.no_grad():
            for table in (self.patch_row_embed.weight, self.patch_column_embed.weight):
                table.copy_(0.1 * waves(*table.shape) @ nn.init.orthogonal_(torch.empty(table.shape[1], table.shape[1])))
            nn.init.normal_(self.patch_embed.weight, std=0.016)
            self.patch_embed.weight -= self.patch_embed.weight.mean(dim=1, keepdim=True)
        nn.init.zeros_(self.patch_embed.bias)
        for layer in self.layers:                                                             # each layer begins as the identity
            nn.init.zeros_(layer.self_attn.o_proj.weight)
            nn.init.zeros_(layer.mlp.down_proj.weight)


def waves(count, size):
    """Sines and cosines of count places at wave lengths from 4 to 128, [count, size], each row of length sqrt(size)."""
    lengths = 4 * 32 ** torch.linspace(0, 1, size // 2)
    angles = torch.arange(count)[:, None] * 2 * torch.pi / lengths
    return torch.cat([angles.sin(), angles.cos()], dim=1) * 2 ** 0.5


def rope_tables(length, head_dim, theta):
    """cos and sin, each [S, 1, D]; the two halves of D carry the same angles."""
    frequencies = theta ** (-torch.arange(0, head_dim, 2, dtype=torch.float64) / head_dim)
    angles = torch.arange(length, dtype=torch.float64)[:, None] * torch.cat([frequencies, frequencies])
    return angles.cos().float()[:, None], angles.sin().float()[:, None]


def rotate(x, cos, sin):
    """Rotary position embedding of x [B, S, heads, D]."""
    first, second = x.chunk(2, dim=-1)
    return torch.addcmul(x * cos, torch.cat([-second, first], dim=-1), sin)
