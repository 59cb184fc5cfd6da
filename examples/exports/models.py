"""The networks that export.py exports: torchvision's with random weights, and small ones of the same kinds."""

import torch
import torchvision
from torch import nn
from torch.nn import functional
from torchvision.models.convnext import CNBlock
from torchvision.models.mobilenetv3 import InvertedResidual, InvertedResidualConfig
from torchvision.models.swin_transformer import SwinTransformerBlock


class SqueezeExcite(nn.Module):
    """Two inverted residuals of MobileNetV3, hard swish and squeeze-and-excitation in them."""

    def __init__(self):
        super().__init__()
        norm = nn.BatchNorm2d
        block = lambda stride, kernel: InvertedResidual(
            InvertedResidualConfig(16, kernel, 32, 16, True, "HS", stride, 1, 1.0), norm
        )
        self.stem = nn.Sequential(nn.Conv2d(3, 16, 3, 2, 1, bias=False), norm(16), nn.Hardswish())
        self.blocks = nn.Sequential(block(1, 3), block(2, 5))
        self.head = nn.Linear(16, 6)

    def forward(self, x):
        return self.head(functional.adaptive_avg_pool2d(self.blocks(self.stem(x)), 1).flatten(1))


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x):
        batch, tokens, width = x.shape
        split = self.qkv(x).reshape(batch, tokens, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        query, key, value = split[0], split[1], split[2]
        weights = torch.softmax(query @ key.transpose(-2, -1) * (width // self.heads) ** -0.5, dim=-1)
        return self.out((weights @ value).transpose(1, 2).reshape(batch, tokens, width))


class MobileVit(nn.Module):
    """One block of MobileViT: convolutions, attention between the same pixel of all patches, folded back."""

    def __init__(self, width=16, side=12):
        super().__init__()
        conv = lambda inputs, outputs, kernel: nn.Sequential(
            nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False), nn.BatchNorm2d(outputs), nn.SiLU()
        )
        self.stem = nn.Sequential(nn.Conv2d(3, width, 3, 2, 1, bias=False), nn.BatchNorm2d(width), nn.SiLU())
        self.local = nn.Sequential(conv(width, width, 3), nn.Conv2d(width, width, 1, bias=False))
        self.norms = nn.ModuleList([nn.LayerNorm(width) for _ in range(3)])
        self.attention = Attention(width, 2)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.SiLU(), nn.Linear(2 * width, width))
        self.project, self.fuse = conv(width, width, 1), conv(2 * width, width, 3)
        self.head = nn.Linear(width, 6)
        self.width, self.patches = width, side // 4

    def forward(self, image):
        x = self.stem(image)
        batch, (width, patches) = x.shape[0], (self.width, self.patches)
        y = self.local(x).reshape(batch * width * patches, 2, patches, 2).transpose(1, 2)
        y = y.reshape(batch, width, patches * patches, 4).transpose(1, 3).reshape(batch * 4, patches * patches, width)
        y = y + self.attention(self.norms[0](y))
        y = self.norms[2](y + self.mlp(self.norms[1](y)))
        y = y.reshape(batch, 4, patches * patches, width).transpose(1, 3)
        y = y.reshape(batch * width * patches, patches, 2, 2).transpose(1, 2)
        y = y.reshape(batch, width, patches * 2, patches * 2)
        x = self.fuse(torch.cat([x, self.project(y)], 1))
        return self.head(x.mean((2, 3)))


class Swin(nn.Module):
    """Patches, then torchvision's Swin block twice, the second one with shifted windows."""

    def __init__(self, width=16):
        super().__init__()
        self.patch = nn.Conv2d(3, width, 2, 2)
        block = lambda shift: SwinTransformerBlock(width, 2, [4, 4], [shift, shift], mlp_ratio=2.0)
        self.blocks = nn.Sequential(block(0), block(2))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, 6)

    def forward(self, x):
        return self.head(self.norm(self.blocks(self.patch(x).permute(0, 2, 3, 1))).mean((1, 2)))


class ConvNext(nn.Module):
    """A stem and two blocks of torchvision's ConvNeXt."""

    def __init__(self, width=16):
        super().__init__()
        self.stem = nn.Conv2d(3, width, 2, 2)
        self.blocks = nn.Sequential(*(CNBlock(width, 1.0, 0.0) for _ in range(2)))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, 6)

    def forward(self, x):
        return self.head(self.norm(self.blocks(self.stem(x)).mean((2, 3))))


class Mixer(nn.Module):
    """MLP-Mixer: layers over tokens and over channels in turn."""

    def __init__(self, side=16, patch=4, width=24, depth=2):
        super().__init__()
        tokens = (side // patch) ** 2
        mlp = lambda size, inner: nn.Sequential(nn.Linear(size, inner), nn.GELU(), nn.Linear(inner, size))
        self.patch = nn.Conv2d(3, width, patch, patch)
        self.norms = nn.ModuleList([nn.LayerNorm(width) for _ in range(2 * depth + 1)])
        self.tokens = nn.ModuleList([mlp(tokens, 16) for _ in range(depth)])
        self.channels = nn.ModuleList([mlp(width, 32) for _ in range(depth)])
        self.head = nn.Linear(width, 6)

    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2)
        for index, (tokens, channels) in enumerate(zip(self.tokens, self.channels)):
            x = x + tokens(self.norms[2 * index](x).transpose(1, 2)).transpose(1, 2)
            x = x + channels(self.norms[2 * index + 1](x))
        return self.head(self.norms[-1](x).mean(1))


class UNet(nn.Module):
    """Two levels down and up again, a transposed convolution and a resize on the way; a class for each pixel."""

    def __init__(self, width=8):
        super().__init__()
        double = lambda inputs, outputs: nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(),
        )
        self.first, self.second, self.third = double(3, width), double(width, 2 * width), double(2 * width, 2 * width)
        self.up = nn.ConvTranspose2d(2 * width, width, 2, 2)
        self.fourth, self.fifth = double(3 * width, width), double(2 * width, width)
        self.head = nn.Conv2d(width, 2, 1)

    def forward(self, x):
        first = self.first(x)
        second = self.second(functional.max_pool2d(first, 2))
        third = self.third(functional.max_pool2d(second, 2))
        fourth = self.fourth(torch.cat([self.up(third), second], 1))
        wide = functional.interpolate(fourth, scale_factor=2.0, mode="bilinear", align_corners=False)
        return self.head(self.fifth(torch.cat([wide, first], 1)))


class GruClassifier(nn.Module):
    """A GRU over 12 steps of 6 numbers; the last state is classified."""

    def __init__(self):
        super().__init__()
        self.gru, self.head = nn.GRU(6, 16, batch_first=True), nn.Linear(16, 5)

    def forward(self, x):
        return self.head(self.gru(x)[0][:, -1])


PICTURE = (3, 224, 224)
of_torchvision = lambda name, **options: (lambda: torchvision.models.get_model(name, weights=None, **options), PICTURE)

# Name: how it is made, shape of an input.
SMALL = {
    "squeeze_excite": (SqueezeExcite, (3, 16, 16)),
    "mobilevit_block": (MobileVit, (3, 12, 12)),
    "swin_block": (Swin, (3, 16, 16)),
    "convnext_block": (ConvNext, (3, 16, 16)),
    "mixer": (Mixer, (3, 16, 16)),
    "unet": (UNet, (3, 16, 16)),
    "gru_classifier": (GruClassifier, (12, 6)),
}
FULL = {
    "resnet18": of_torchvision("resnet18"),
    "resnet50": of_torchvision("resnet50"),
    "mobilenet_v3_small": of_torchvision("mobilenet_v3_small"),
    "efficientnet_b0": of_torchvision("efficientnet_b0"),
    "densenet121": of_torchvision("densenet121"),
    "googlenet": of_torchvision("googlenet", init_weights=True, aux_logits=False),
    "shufflenet_v2_x0_5": of_torchvision("shufflenet_v2_x0_5"),
    "convnext_tiny": of_torchvision("convnext_tiny"),
    "swin_t": of_torchvision("swin_t"),
    "vit_b_16": of_torchvision("vit_b_16"),
}
# Of the small ones, those that the tests have.
CASES = {
    ("squeeze_excite", "dynamo"),
    ("mobilevit_block", "script"),
    ("swin_block", "script"),
    ("convnext_block", "dynamo"),
    ("mixer", "script"),
    ("unet", "script"),
    ("gru_classifier", "script"),
}
# Name, exporter (`script`: the older one, over TorchScript; `dynamo`: the newer one), opset.
EXPORTS = [
    ("squeeze_excite", "script", 13),
    ("squeeze_excite", "dynamo", 18),
    ("mobilevit_block", "script", 14),
    ("mobilevit_block", "dynamo", 18),
    ("swin_block", "script", 16),
    ("swin_block", "dynamo", 18),
    ("convnext_block", "script", 17),
    ("convnext_block", "dynamo", 18),
    ("mixer", "script", 15),
    ("mixer", "dynamo", 18),
    ("unet", "script", 13),
    ("unet", "dynamo", 18),
    ("gru_classifier", "script", 14),
    ("gru_classifier", "dynamo", 18),
    ("resnet18", "script", 13),
    ("resnet18", "dynamo", 18),
    ("resnet50", "script", 14),
    ("mobilenet_v3_small", "script", 15),
    ("mobilenet_v3_small", "dynamo", 18),
    ("efficientnet_b0", "script", 16),
    ("efficientnet_b0", "dynamo", 18),
    ("densenet121", "script", 13),
    ("googlenet", "script", 14),
    ("shufflenet_v2_x0_5", "script", 15),
    ("shufflenet_v2_x0_5", "dynamo", 18),
    ("convnext_tiny", "script", 17),
    ("convnext_tiny", "dynamo", 18),
    ("swin_t", "script", 17),
    ("swin_t", "dynamo", 18),
    ("vit_b_16", "script", 17),
]
