"""Kinds of pictures that people have, decoded to RGB, against Pillow."""

import base64
import io
import struct
import zlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps

from clipbench_tf.data.images import decoding

RGB = np.random.default_rng(0).integers(0, 256, [5, 7, 3], np.uint8)
SMOOTH = np.add.outer(np.arange(32) * 4, np.arange(48) * 2)[..., None] + [0, 16, 32]


WIDE = np.stack(np.broadcast_arrays(*np.ogrid[0:240:10, 0:240:6], 7), -1).astype(np.uint8)
COLOURS = Image.fromarray(WIDE)
ALPHA = np.broadcast_to(np.where(np.arange(40) < 20, 0, 200).astype(np.uint8), [24, 40])
SEE_THROUGH = Image.fromarray(np.dstack([WIDE, ALPHA]))
FRAMES = [COLOURS, ImageOps.invert(COLOURS)]
decode = tf.function(decoding.decode, input_signature=[tf.TensorSpec([], tf.string)])


def encoded(picture: Image.Image, kind: str, **options) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def on_white(picture: Image.Image) -> np.ndarray:
    """As a browser shows it."""
    picture = picture.convert("RGBA")
    white = Image.new("RGBA", picture.size, "white")
    white.alpha_composite(picture)
    return np.asarray(white.convert("RGB"))


def difference(result, expected: np.ndarray) -> int:
    assert result.shape == expected.shape
    return np.abs(result.numpy().astype(int) - expected).max()


def held(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "LA", "1", "RGBA"])
def test_png_modes(mode):
    picture = Image.fromarray(RGB).convert(mode)
    result = decode(encoded(picture, "PNG")).numpy()
    np.testing.assert_array_equal(result, np.asarray(picture.convert("RGB")))


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
@pytest.mark.parametrize(
    ("kind", "options"), [("PNG", {}), ("WEBP", {"lossless": True}), ("WEBP", {"quality": 90})]
)
def test_alpha_is_laid_on_white(mode, kind, options):
    picture = encoded(SEE_THROUGH.convert(mode), kind, **options)
    with Image.open(io.BytesIO(picture)) as opened:
        assert difference(decode(picture), on_white(opened)) <= 1


def test_a_palette_with_alpha_is_laid_on_white():
    palette = COLOURS.quantize(16)
    picture = encoded(palette, "PNG", transparency=bytes([0, 120] * 8))
    with Image.open(io.BytesIO(picture)) as opened:
        assert difference(decode(picture), on_white(opened)) <= 1
    np.testing.assert_array_equal(decode(encoded(palette, "PNG")), palette.convert("RGB"))


def test_a_colour_that_is_called_transparent_is_kept():
    picture = encoded(COLOURS, "PNG", transparency=(0, 0, 7))
    np.testing.assert_array_equal(decode(picture), WIDE)


def test_16_bit_png_keeps_the_high_byte():
    grey = RGB[..., 0].astype(np.uint16) * 256 + 77
    result = decode(encoded(Image.fromarray(grey), "PNG")).numpy()
    np.testing.assert_array_equal(result, np.repeat(RGB[..., :1], 3, axis=-1))


@pytest.mark.parametrize("alpha", [False, True])
def test_16_bit_colour_png_keeps_the_high_byte(alpha):
    deep = WIDE.astype(int) * 256 + 77
    if alpha:
        deep = np.dstack([deep, ALPHA.astype(int) * 257])
    rows = b"".join(b"\0" + row.tobytes() for row in deep.astype(">u2"))
    header = struct.pack(">IIBBBBB", 40, 24, 16, 6 if alpha else 2, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    picture = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    )
    expected = on_white(SEE_THROUGH if alpha else COLOURS)
    assert difference(decode(picture), expected) <= 1


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photograph_is_turned_upright(orientation):
    picture = encoded(COLOURS, "JPEG", exif=held(orientation), quality=95)
    with Image.open(io.BytesIO(picture)) as opened:
        expected = np.asarray(ImageOps.exif_transpose(opened))
    assert difference(decode(picture), expected) <= 8


def test_an_exif_block_of_the_other_byte_order_and_a_damaged_one():
    block = b"Exif\0\0MM\0*\0\0\0\x08\0\x02" + bytes(12)
    entry = struct.pack(">HHIHH", 0x0112, 3, 1, 6, 0)
    plain = encoded(COLOURS, "JPEG")
    for tiff, shape in ((block + entry, (40, 24, 3)), (block[:13] + b"\xff" * 9, (24, 40, 3))):
        segment = b"\xff\xe1" + struct.pack(">H", len(tiff) + 2) + tiff
        assert decode(plain[:2] + segment + plain[2:]).shape == shape


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_exif_of_other_formats_is_passed_over(kind):
    picture = encoded(COLOURS, kind, exif=held(6), lossless=True)
    np.testing.assert_array_equal(decode(picture), WIDE)


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_jpeg_modes(mode):
    picture = Image.fromarray(SMOOTH.astype(np.uint8)).convert(mode)
    result = decode(encoded(picture, "JPEG")).numpy().astype(int)
    expected = np.asarray(picture.convert("RGB")).astype(int)
    assert np.abs(result - expected).max() <= 8


def test_bmp():
    np.testing.assert_array_equal(decode(encoded(Image.fromarray(RGB), "BMP")), RGB)


def test_bmp_of_32_bits_and_those_that_are_refused():
    np.testing.assert_array_equal(decode(encoded(SEE_THROUGH, "BMP")), WIDE)
    for small in (COLOURS.quantize(16), COLOURS.convert("L"), COLOURS.convert("1")):
        with pytest.raises(tf.errors.InvalidArgumentError):
            decode(encoded(small, "BMP"))


@pytest.mark.parametrize("options", [{"lossless": True}, {"quality": 90}])
def test_webp(options):
    picture = encoded(COLOURS, "WEBP", **options)
    with Image.open(io.BytesIO(picture)) as opened:
        assert difference(decode(picture), np.asarray(opened.convert("RGB"))) <= 1


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_other_animations_give_their_first_frame_too(kind):
    options = {"save_all": True, "append_images": FRAMES[1:], "lossless": True, "duration": 100}
    for _ in range(8):  # memory that TensorFlow's op spoils is not always found at once
        np.testing.assert_array_equal(decode(encoded(FRAMES[0], kind, **options)), WIDE)


def test_an_animated_webp_with_alpha_is_laid_on_white():
    inverted = Image.fromarray(np.dstack([255 - WIDE, ALPHA]))
    options = {"save_all": True, "append_images": [inverted], "lossless": True, "duration": 100}
    assert difference(decode(encoded(SEE_THROUGH, "WEBP", **options)), on_white(SEE_THROUGH)) <= 1


def test_jpeg_xl():
    # Pillow writes none; pillow-jxl-plugin 1.3.8 made these, without loss, of the picture below.
    rgb, rgba, grey = (base64.b64decode("".join(lines)) for lines in JPEG_XL)
    y, x = np.mgrid[0:24, 0:40]
    made = np.stack([6 * x, 10 * y, 4 * (x + y)], -1).astype(np.uint8)
    np.testing.assert_array_equal(decode(rgb), made)
    assert difference(decode(rgba), on_white(Image.fromarray(np.dstack([made, ALPHA])))) <= 1
    luma = np.asarray(Image.fromarray(made).convert("L"))
    np.testing.assert_array_equal(decode(grey), np.repeat(luma[..., None], 3, -1))
    with pytest.raises(tf.errors.InvalidArgumentError):
        decode(rgb[:60])


JPEG_XL = (
    (
        "/woFCIgECAABADABSygx3Xyjh5ZYKuwoKCg5QCFixEScON9hQwo/JojoQgBQgBBgAGLO39f00d3/32/9u+Ww",
        "/ngiCzXrTN5wxJKEmgiNNq/CttcfH+hEAA==",
    ),
    (
        "/woFCFgJCAAQAHABSygx3Tyrh5bYQWGhoKDkAIWIETXixN8Y4+7wAxtS+DFBRDcCgAKEAAOIggCAC4cLcDQI",
        "eftB/5Mx/D+sN1OiXS0Q7Qc66TpUQTkc77WTNXVvY0XryAFonQoYPAA=",
    ),
    (
        "/woFCAiKGwEIAAEACAJLKCTGFwoSJigoLkoDxkExxjAihtFzA6ROojM8Z0lP7VD9CsxACIKKnfyjKSl9Utca",
        "JD9xfDAS3KyX/29jXcrvdYA1q2um0sZPXoYPhbSZfbz9VGHl3pqAhXSCz7+9aLE1OpDThaQPQb+Qm3TvYWfG",
        "kdGmxIKkqS5w0m1mei6WrigK",
    ),
)


@pytest.mark.parametrize("kind", ["TIFF", "AVIF", "JPEG2000", "ICO", "PPM"])
def test_formats_that_are_not_read(kind):
    with pytest.raises(tf.errors.InvalidArgumentError):
        decode(encoded(COLOURS, kind))


def test_transparent_parts_of_a_gif_are_black():
    palette = COLOURS.quantize(16)
    picture = encoded(palette, "GIF", transparency=3)
    with Image.open(io.BytesIO(picture)) as opened:
        clear = np.asarray(opened.convert("RGBA"))[..., 3] == 0
    assert clear.any() and not decode(picture).numpy()[clear].any()


def test_gif_gives_its_first_frame():
    frames = [Image.new("RGB", (4, 3), colour) for colour in ("red", "blue")]
    out = io.BytesIO()
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:])
    result = decode(out.getvalue()).numpy()
    np.testing.assert_array_equal(result, np.tile(np.uint8([255, 0, 0]), [3, 4, 1]))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP"])
def test_truncated_pictures_are_errors(kind):
    whole = encoded(Image.fromarray(np.tile(RGB, [9, 9, 1])), kind)
    with pytest.raises(tf.errors.InvalidArgumentError):
        decode(whole[: len(whole) // 2])


@pytest.mark.parametrize(
    "junk",
    [b"", b"no picture", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"<svg/>", b"RIFF", b"BM"],
)
def test_other_bytes_are_errors(junk):
    with pytest.raises(tf.errors.InvalidArgumentError):
        decode(junk)
