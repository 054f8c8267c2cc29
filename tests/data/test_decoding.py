"""Kinds of pictures that people have, decoded to RGB, against Pillow."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from clipbench_tf.data.decoding import decode

RGB = np.random.default_rng(0).integers(0, 256, [5, 7, 3], np.uint8)
SMOOTH = np.add.outer(np.arange(32) * 4, np.arange(48) * 2)[..., None] + [0, 16, 32]


def encoded(picture: Image.Image, kind: str) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind)
    return out.getvalue()


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "LA", "1", "RGBA"])
def test_png_modes(mode):
    picture = Image.fromarray(RGB).convert(mode)
    result = decode(encoded(picture, "PNG")).numpy()
    np.testing.assert_array_equal(result, np.asarray(picture.convert("RGB")))


def test_alpha_is_dropped():
    rgba = np.concatenate([RGB, np.zeros_like(RGB[..., :1])], axis=-1)
    np.testing.assert_array_equal(decode(encoded(Image.fromarray(rgba), "PNG")), RGB)


def test_16_bit_png_keeps_the_high_byte():
    grey = RGB[..., 0].astype(np.uint16) * 256 + 77
    result = decode(encoded(Image.fromarray(grey), "PNG")).numpy()
    np.testing.assert_array_equal(result, np.repeat(RGB[..., :1], 3, axis=-1))


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_jpeg_modes(mode):
    picture = Image.fromarray(SMOOTH.astype(np.uint8)).convert(mode)
    result = decode(encoded(picture, "JPEG")).numpy().astype(int)
    expected = np.asarray(picture.convert("RGB")).astype(int)
    assert np.abs(result - expected).max() <= 8


def test_bmp():
    np.testing.assert_array_equal(decode(encoded(Image.fromarray(RGB), "BMP")), RGB)


def test_gif_gives_its_first_frame():
    frames = [Image.new("RGB", (4, 3), colour) for colour in ("red", "blue")]
    out = io.BytesIO()
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:])
    result = decode(out.getvalue()).numpy()
    np.testing.assert_array_equal(result, np.tile(np.uint8([255, 0, 0]), [3, 4, 1]))


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_truncated_pictures_are_errors(kind):
    whole = encoded(Image.fromarray(np.tile(RGB, [9, 9, 1])), kind)
    with pytest.raises(tf.errors.InvalidArgumentError):
        decode(whole[: len(whole) // 2])


@pytest.mark.parametrize("junk", [b"", b"no picture", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0"])
def test_other_bytes_are_errors(junk):
    with pytest.raises(tf.errors.InvalidArgumentError):
        decode(junk)
