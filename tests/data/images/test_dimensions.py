"""The sizes in headers, read in graph, beside Pillow's; and what is refused by them."""

import base64
import io
import struct

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from clipbench_tf.data.images import dimensions
from tests.data.images.test_decoding import JPEG_XL

pixels = tf.function(dimensions.pixels, input_signature=[tf.TensorSpec([], tf.string)])
refused = tf.function(dimensions.refused, input_signature=[tf.TensorSpec([], tf.string)])
SIDE = 20_000


def encoded(kind: str, size=(37, 21), mode="RGB", **options) -> bytes:
    out = io.BytesIO()
    Image.new(mode, size).save(out, kind, **options)
    return out.getvalue()


FILES = {
    "jpeg": ("JPEG", {}),
    "progressive": ("JPEG", {"progressive": True}),
    "grey jpeg": ("JPEG", {"mode": "L"}),
    "cmyk": ("JPEG", {"mode": "CMYK"}),
    "exif": ("JPEG", {"exif": b"Exif\0\0" + bytes(3000)}),
    "png": ("PNG", {}),
    "palette": ("PNG", {"mode": "P"}),
    "alpha": ("PNG", {"mode": "RGBA"}),
    "gif": ("GIF", {"mode": "P", "comment": bytes(range(1, 256)) * 3}),
    "bmp": ("BMP", {}),
    "webp": ("WEBP", {}),
    "lossless": ("WEBP", {"lossless": True}),
    "extended": ("WEBP", {"exif": b"Exif\0\0" + bytes(300)}),
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("size", [(37, 21), (1, 1), (259, 4), (3, 1030)])
def test_sizes_are_those_of_pillow(name, size):
    kind, options = FILES[name]
    picture = encoded(kind, size, **options)
    with Image.open(io.BytesIO(picture)) as opened:
        width, height = opened.size
    assert pixels(picture).numpy() == width * height == size[0] * size[1]
    assert refused(picture).numpy() == picture


@pytest.mark.parametrize(("kind", "frames"), [("GIF", 3), ("WEBP", 1), ("PNG", 1)])
def test_all_frames_of_a_gif_count(kind, frames):
    pictures = [Image.new("RGB", (50, 20), colour) for colour in ("red", "blue", "green")]
    out = io.BytesIO()
    pictures[0].save(out, kind, save_all=True, append_images=pictures[1:])
    assert pixels(out.getvalue()).numpy() == 50 * 20 * frames


def jpeg_xl(width: int, height: int, selector: int) -> bytes:
    """The first bytes of a stream, with sides of 9, 13, 18 or 30 bits, in order of bits."""
    count = (9, 13, 18, 30)[selector]
    fields = [(0, 1), (selector, 2), (height - 1, count), (0, 3), (selector, 2), (width - 1, count)]
    bits = "".join(f"{value:0{size}b}"[::-1] for value, size in fields)
    data = [int(bits[at : at + 8][::-1], 2) for at in range(0, len(bits), 8)]
    return bytes([0xFF, 0x0A, *data])


def boxed(stream: bytes) -> bytes:
    boxes = [(b"JXL ", b"\r\n\x87\n"), (b"ftyp", b"jxl \0\0\0\0jxl "), (b"Exif", bytes(500))]
    whole = [struct.pack(">I4s", 8 + len(body), kind) + body for kind, body in boxes]
    return b"".join(whole) + struct.pack(">I4sQ", 1, b"jxlc", 16 + len(stream)) + stream


def test_jpeg_xl():
    for lines in JPEG_XL:
        assert pixels(base64.b64decode("".join(lines))).numpy() == 40 * 24
    for side, selector in ((511, 0), (8000, 1), (SIDE, 2), (SIDE, 3)):
        for picture in (
            jpeg_xl(side, side - 7, selector),
            boxed(jpeg_xl(side, side - 7, selector)),
        ):
            assert pixels(picture).numpy() == side * (side - 7)
    small = (24 // 8 - 1) << 1 | 1 | 5 << 6  # 24 high, 16 : 9
    assert pixels(bytes([0xFF, 0x0A, small & 255, small >> 8, 0, 0])).numpy() == 24 * (24 * 16 // 9)


def replaced(picture: bytes, at: int, layout: str, *values: int) -> bytes:
    new = struct.pack(layout, *values)
    return picture[:at] + new + picture[at + len(new) :]


def stated() -> dict[str, bytes]:
    """Small files that state a picture of 20,000 x 20,000 pixels, or frames of it."""
    jpeg, gif = encoded("JPEG"), encoded("GIF", mode="P")
    extended = encoded("WEBP", mode="RGBA", exif=b"Exif\0\0" + bytes(300))
    frame = gif.index(b",", 13 + 3 * 2)
    canvas = (SIDE - 1).to_bytes(3, "little") * 2
    return {
        "jpeg": replaced(jpeg, jpeg.index(b"\xff\xc0") + 5, ">HH", SIDE, SIDE),
        "png": replaced(encoded("PNG"), 16, ">II", SIDE, SIDE),
        "gif": replaced(gif, frame + 5, "<HH", SIDE, SIDE),
        "bmp": replaced(encoded("BMP"), 18, "<ii", SIDE, -SIDE),
        "webp": extended[:24] + canvas + extended[30:],
        "jpeg xl": jpeg_xl(SIDE, SIDE, 2) + bytes(50),
    }


@pytest.mark.parametrize("name", stated())
def test_a_picture_that_is_stated_too_large_is_refused(name):
    picture = stated()[name]
    assert pixels(picture).numpy() == SIDE * SIDE
    assert refused(picture).numpy() == b""


def test_the_limit():
    width, height = 1 << 14, 1 << 13
    assert width * height == dimensions.LARGEST
    at = replaced(encoded("PNG"), 16, ">II", width, height)
    above = replaced(encoded("PNG"), 16, ">II", width, height + 1)
    assert refused(at).numpy() == at
    assert refused(above).numpy() == b""


def test_other_bytes_have_no_pixels():
    starts = [b"\x89PNG", b"GIF89a", b"BM", b"RIFF", b"\xff\x0a", b"\0\0\0\x0cJXL ", b"", b"text"]
    for start in starts:
        for length in (0, 1, 30):
            assert pixels(start + bytes(length)).numpy() in (0, 1, 64, 512)  # of sides 0, or 1
    with pytest.raises(tf.errors.InvalidArgumentError):
        pixels(b"\xff\xd8\xff\xe0")


def test_damaged_headers_end():
    """No bytes make the loops over blocks and boxes go on for ever."""
    rng = np.random.default_rng(0)
    for whole in (encoded("GIF", mode="P"), boxed(jpeg_xl(9, 9, 0))):
        for _ in range(40):
            damaged = bytearray(whole)
            for place in rng.integers(6, len(whole), 5):
                damaged[place] = rng.integers(256)
            assert pixels(bytes(damaged)).numpy() is not None


def test_a_gif_of_endless_parts_is_refused(monkeypatch):
    assert dimensions._STEPS == 1 << 17  # so many would take seconds here
    monkeypatch.setattr(dimensions, "_STEPS", 1 << 12)
    spec = tf.TensorSpec([], tf.string)
    refused = tf.function(lambda data: dimensions.refused(data), input_signature=[spec])
    gif = encoded("GIF", mode="P")
    for parts in (b"!\xfe" + b"\x01a" * (1 << 12) + b"\0", b"!\xfe\0" * (1 << 12)):
        assert refused(gif[:-1] + parts + b";").numpy() == b""
    few = gif[:-1] + b"!\xfe" + b"\x01a" * 100 + b"\0;"
    assert pixels(few).numpy() == 37 * 21
