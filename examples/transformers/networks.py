"""Small transformers that train.py trains, and the shapes of larger ones."""

import torch
from torch import nn
from torch.nn import functional


class Attention(nn.Module):
    """Several heads; `causal`: each token sees itself and those before it."""

    def __init__(self, width, heads, causal):
        super().__init__()
        self.heads, self.causal = heads, causal
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x):
        batch, tokens, width = x.shape
        split = self.qkv(x).view(batch, tokens, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        context = functional.scaled_dot_product_attention(split[0], split[1], split[2], is_causal=self.causal)
        return self.out(context.transpose(1, 2).reshape(batch, tokens, width))


class Block(nn.Module):
    """Attention, then a layer up and one down, each normalized before and added to what it read."""

    def __init__(self, width, heads, causal, activation="none"):
        super().__init__()
        self.norms = nn.ModuleList([nn.LayerNorm(width) for _ in range(2)])
        self.attention = Attention(width, heads, causal)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(approximate=activation), nn.Linear(4 * width, width))

    def forward(self, x):
        x = x + self.attention(self.norms[0](x))
        return x + self.mlp(self.norms[1](x))


class Vit(nn.Module):
    """A vision transformer for digits of 28x28: 16 patches and a class token."""

    def __init__(self, width=48, heads=4, depth=3, patch=7, classes=10):
        super().__init__()
        tokens = (28 // patch) ** 2 + 1
        self.patches = nn.Conv2d(1, width, patch, patch)
        self.token = nn.Parameter(0.02 * torch.randn(1, 1, width))
        self.positions = nn.Parameter(0.02 * torch.randn(1, tokens, width))
        self.blocks = nn.Sequential(*(Block(width, heads, False) for _ in range(depth)))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, classes)

    def forward(self, image):
        x = self.patches(image).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.positions
        return self.head(self.norm(self.blocks(x))[:, 0])


class Gpt(nn.Module):
    """GPT-2's architecture: from token ids to the logits of the token that follows the last one."""

    def __init__(self, vocabulary, tokens, width, heads, depth):
        super().__init__()
        self.tokens, self.positions = nn.Embedding(vocabulary, width), nn.Embedding(tokens, width)
        self.blocks = nn.Sequential(*(Block(width, heads, True, "tanh") for _ in range(depth)))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, vocabulary, bias=False)

    def hidden(self, ids):
        places = torch.arange(ids.shape[1], device=ids.device)
        return self.norm(self.blocks(self.tokens(ids) + self.positions(places)))

    def all_logits(self, ids):
        """Of the token after each one, for training."""
        return self.head(self.hidden(ids))

    def forward(self, ids):
        return self.head(self.hidden(ids)[:, -1])
