"""Train the digit network and write `digits_float.onnx` (development time only: needs torch).

Run as `python examples/digits/train.py`; then `quantize.py` makes the int8 network.
"""

from __future__ import annotations

import logging
from pathlib import Path

import network
import numpy as np
import onnx
import torch
from data import Split, load_split
from network import CLASSES, CONVS, Activation, Conv, Weights
from torch import Tensor, nn
from torch.nn import functional

FLOAT_MODEL = Path(__file__).with_name("digits_float.onnx")
SEED = 7
EPOCHS = 60
BATCH = 32
PEAK_LEARNING_RATE = 8e-3
WEIGHT_DECAY = 1e-2

log = logging.getLogger("digits")


def make_layers() -> nn.ModuleDict:
    """Return Conv + BatchNorm for each of `CONVS`, and the linear `head`."""
    layers = nn.ModuleDict()
    for conv in CONVS:
        plain = nn.Conv2d(
            conv.ch_in, conv.ch_out, conv.kernel, conv.stride, conv.pad, groups=conv.groups, bias=False
        )
        layers[conv.name] = nn.Sequential(plain, nn.BatchNorm2d(conv.ch_out))
    layers["head"] = nn.Linear(network.TOP_PW.ch_out, CLASSES)
    return layers


def forward(layers: nn.ModuleDict, image: Tensor) -> Tensor:
    """Compute logits `[N, 10]` of images `[N, 1, 8, 8]`: the graph of `network.onnx_model`, in torch."""

    def conv(spec: Conv, x: Tensor) -> Tensor:
        y = layers[spec.name](x)
        if spec.activation is Activation.RELU:
            return functional.relu(y)
        return functional.relu6(y) if spec.activation is Activation.RELU6 else y

    stem = conv(network.STEM, image)
    block1 = stem + conv(network.BLOCK1_PW, conv(network.BLOCK1_DW, stem))
    block2 = conv(network.BLOCK2_PW, conv(network.BLOCK2_DW, block1))
    block3 = block2 + conv(network.BLOCK3_PW, conv(network.BLOCK3_DW, block2))
    features = conv(network.TOP_PW, functional.max_pool2d(block3, 2)).mean(dim=(2, 3))
    return layers["head"](features)


def shift(images: Tensor) -> Tensor:
    """Move each image by up to one pixel in each direction: the only augmentation."""
    padded = functional.pad(images, (1, 1, 1, 1))
    offsets = torch.randint(0, 3, (len(images), 2)).tolist()
    corners = zip(padded, offsets, strict=True)
    return torch.stack([image[:, y : y + 8, x : x + 8] for image, (y, x) in corners])


def train(split: Split) -> nn.ModuleDict:
    """Train for a fixed number of epochs; the held-out images choose nothing."""
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    images, labels = torch.from_numpy(split.train_x), torch.from_numpy(split.train_y)
    layers = make_layers()
    batches = len(images) // BATCH
    steps = EPOCHS * batches
    optimizer = torch.optim.AdamW(layers.parameters(), weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, PEAK_LEARNING_RATE, total_steps=steps)
    for epoch in range(EPOCHS):
        for batch in torch.randperm(len(images))[: batches * BATCH].split(BATCH):
            logits = forward(layers, shift(images[batch]))
            loss = functional.cross_entropy(logits, labels[batch], label_smoothing=0.05)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        log.info("epoch %2d: loss %.4f", epoch + 1, loss.item())
    return layers.eval()


def fold(layers: nn.ModuleDict) -> dict[str, Weights]:
    """Fold each BatchNorm into the convolution before it: `w·g/σ` and `β − μ·g/σ`."""
    folded = {}
    for spec in CONVS:
        conv, norm = layers[spec.name]
        scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        folded[spec.name] = _to_numpy(
            conv.weight * scale[:, None, None, None], norm.bias - norm.running_mean * scale
        )
    folded["head"] = _to_numpy(layers["head"].weight, layers["head"].bias)
    return folded


def _to_numpy(weight: Tensor, bias: Tensor) -> Weights:
    return Weights(weight.detach().numpy().astype(np.float32), bias.detach().numpy().astype(np.float32))


def main() -> None:
    """Train, report the held-out accuracy, write the ONNX file."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    split = load_split()
    layers = train(split)
    with torch.no_grad():
        predicted = forward(layers, torch.from_numpy(split.test_x)).argmax(dim=1).numpy()
    correct = int((predicted == split.test_y).sum())
    log.info("held out: %d of %d right (%.2f %%)", correct, len(predicted), 100 * correct / len(predicted))
    onnx.save(network.onnx_model(fold(layers)), FLOAT_MODEL)


if __name__ == "__main__":
    main()
