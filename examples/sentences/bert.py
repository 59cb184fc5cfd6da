"""BERT as sentence-transformers use it, with names of parameters as in their files."""

import io
import json
import math
import zipfile

import torch
from torch import nn
from torch.nn import functional


class Embeddings(nn.Module):
    def __init__(self, config):
        super().__init__()
        width = config["hidden_size"]
        self.word_embeddings = nn.Embedding(config["vocab_size"], width)
        self.position_embeddings = nn.Embedding(config["max_position_embeddings"], width)
        self.token_type_embeddings = nn.Embedding(config["type_vocab_size"], width)
        self.LayerNorm = nn.LayerNorm(width, config["layer_norm_eps"])

    def forward(self, ids, types):
        places = torch.arange(ids.shape[1], device=ids.device)
        return self.LayerNorm(
            self.word_embeddings(ids) + self.token_type_embeddings(types) + self.position_embeddings(places)
        )


class Layer(nn.Module):
    """One layer; its parameters are nested as in the files."""

    def __init__(self, config):
        super().__init__()
        width, inner, self.heads = config["hidden_size"], config["intermediate_size"], config["num_attention_heads"]
        group = lambda **parts: nn.ModuleDict(parts)
        norm = lambda: nn.LayerNorm(width, config["layer_norm_eps"])
        linear = lambda: nn.Linear(width, width)
        self.root = math.sqrt(width // self.heads)
        self.attention = nn.ModuleDict(
            {
                "self": group(query=linear(), key=linear(), value=linear()),
                "output": group(dense=linear(), LayerNorm=norm()),
            }
        )
        self.intermediate = group(dense=nn.Linear(width, inner))
        self.output = group(dense=nn.Linear(inner, width), LayerNorm=norm())

    def forward(self, x, mask):
        batch, tokens, width = x.shape
        heads = lambda part: part(x).view(batch, tokens, self.heads, width // self.heads).transpose(1, 2)
        parts = self.attention["self"]
        query, key, value = heads(parts["query"]), heads(parts["key"]), heads(parts["value"])
        scores = query @ key.transpose(-1, -2) / self.root + mask
        context = (torch.softmax(scores, -1) @ value).transpose(1, 2).reshape(batch, tokens, width)
        added = self.attention["output"]
        x = added["LayerNorm"](x + added["dense"](context))
        return self.output["LayerNorm"](x + self.output["dense"](functional.gelu(self.intermediate["dense"](x))))


class SentenceEmbedding(nn.Module):
    """The mean over a text's tokens, with norm 1."""

    def __init__(self, config):
        super().__init__()
        self.embeddings = Embeddings(config)
        self.encoder = nn.ModuleDict({"layer": nn.ModuleList(Layer(config) for _ in range(config["num_hidden_layers"]))})

    def forward(self, input_ids, attention_mask, token_type_ids):
        present = attention_mask.to(torch.float32)
        x = self.embeddings(input_ids, token_type_ids)
        mask = (1.0 - present[:, None, None, :]) * torch.finfo(torch.float32).min
        for layer in self.encoder["layer"]:
            x = layer(x, mask)
        weight = present[:, :, None]
        return functional.normalize((x * weight).sum(1) / weight.sum(1).clamp(min=1e-9), dim=1)


def tensors(data):
    """Those of a .safetensors file: the length of a header, the header in JSON, the values."""
    start = 8 + int.from_bytes(data[:8], "little")
    found = {}
    for name, entry in json.loads(data[8:start]).items():
        if name != "__metadata__" and entry["dtype"] == "F32":
            first, end = entry["data_offsets"]
            values = torch.frombuffer(bytearray(data[start + first : start + end]), dtype=torch.float32)
            found[name] = values.reshape(entry["shape"])
    return found


def export(archive, path):
    """Writes the network in a zip archive of config.json and model.safetensors as ONNX, as its users do: batch and
    length free, and the three inputs of BERT."""
    with zipfile.ZipFile(archive) as files:
        config = json.loads(files.read("config.json"))
        parameters = tensors(files.read("model.safetensors"))
    model = SentenceEmbedding(config).eval()
    wanted = model.state_dict()
    model.load_state_dict({name: parameters[name] for name in wanted})
    ids = torch.ones((1, 8), dtype=torch.int64)
    inputs = ["input_ids", "attention_mask", "token_type_ids"]
    written = io.BytesIO()
    torch.onnx.export(
        model,
        (ids, ids, torch.zeros_like(ids)),
        written,
        dynamo=False,
        opset_version=17,
        input_names=inputs,
        output_names=["sentence_embedding"],
        dynamic_axes={name: {0: "batch", 1: "tokens"} for name in inputs} | {"sentence_embedding": {0: "batch"}},
    )
    path.write_bytes(written.getvalue())
