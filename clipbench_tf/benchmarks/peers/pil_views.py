"""The strong view by torchvision's operations on PIL images, with Pillow alone."""

import math
import random

import numpy as np
import torch
from PIL import Image, ImageEnhance, ImageFilter

_SIZE = 224
_SCALE, _RATIO = (0.2, 1.0), (3 / 4, 4 / 3)
_MEAN = torch.tensor([0.481, 0.458, 0.408])[:, None, None]
_STD = torch.tensor([0.269, 0.261, 0.276])[:, None, None]


def strong_view(picture: Image.Image, pick: random.Random) -> torch.Tensor:
    """One view: float32 [3, 224, 224], normalised."""
    view = picture.crop(_box(picture.size, pick))
    view = view.resize((_SIZE, _SIZE), Image.Resampling.BILINEAR)
    if pick.random() < 0.8:
        view = _jittered(view, pick)
    if pick.random() < 0.2:
        grey = np.asarray(view.convert("L"))
        view = Image.fromarray(np.dstack([grey, grey, grey]))
    if pick.random() < 0.5:
        view = view.filter(ImageFilter.GaussianBlur(pick.uniform(0.1, 2.0)))
    if pick.random() < 0.5:
        view = view.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    pixels = torch.from_numpy(np.array(view)).permute(2, 0, 1).contiguous().float().div(255)
    return pixels.sub_(_MEAN).div_(_STD)


def _box(size: tuple[int, int], pick: random.Random) -> tuple[int, int, int, int]:
    """RandomResizedCrop's box (left, upper, right, lower); the whole picture if none fits."""
    for _ in range(10):
        area = size[0] * size[1] * pick.uniform(*_SCALE)
        ratio = math.exp(pick.uniform(*map(math.log, _RATIO)))
        width, height = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < width <= size[0] and 0 < height <= size[1]:
            left, upper = pick.randint(0, size[0] - width), pick.randint(0, size[1] - height)
            return left, upper, left + width, upper + height
    return 0, 0, *size


def _jittered(view: Image.Image, pick: random.Random) -> Image.Image:
    """ColorJitter(0.4, 0.4, 0.4, 0.1)."""
    enhancers = (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color)
    for operation in pick.sample(range(4), 4):
        if operation < 3:
            view = enhancers[operation](view).enhance(pick.uniform(0.6, 1.4))
        else:
            view = _turned(view, pick.uniform(-0.1, 0.1))
    return view


def _turned(view: Image.Image, share: float) -> Image.Image:
    """`view` with its hue rotated by `share` of the circle."""
    hue, saturation, value = view.convert("HSV").split()
    turned = np.array(hue, np.uint8) + np.uint8(round(share * 255) % 256)
    return Image.merge("HSV", (Image.fromarray(turned), saturation, value)).convert("RGB")
