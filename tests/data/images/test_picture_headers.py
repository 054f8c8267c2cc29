"""Stated sizes, beside Pillow's or the ones that were written by hand."""

import base64
import io
import struct

import pytest
from PIL import Image

from clipbench_tf.data.images.picture_headers import pixels_in_memory, stated_size
from tests.data.images.test_decoding import JPEG_XL, encoded

SIDES = (300, 17)
FLAT = Image.new("RGB", SIDES, "teal")


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("JPEG", {}),
        ("JPEG", {"progressive": True, "comment": b"\xff\xc0" * 9, "icc_profile": bytes(70_000)}),
        ("PNG", {}),
        ("GIF", {}),
        ("BMP", {}),
        ("WEBP", {}),
        ("WEBP", {"lossless": True}),
        ("WEBP", {"exif": b"Exif\0\0II*\0"}),
    ],
)
def test_the_size_is_stated(kind, options):
    assert stated_size(encoded(FLAT, kind, **options)) == SIDES


def test_a_thumbnail_in_an_exif_block_and_fill_bytes_are_passed_over():
    thumbnail = encoded(Image.new("RGB", (8, 8)), "JPEG")
    block = b"\xff\xe1" + struct.pack(">H", len(thumbnail) + 8) + b"Exif\0\0" + thumbnail
    picture = encoded(FLAT, "JPEG")
    assert stated_size(picture[:2] + block + b"\xff\xff" + picture[2:]) == SIDES


def test_a_table_before_the_frame_header_is_passed_over():
    picture = encoded(FLAT, "JPEG")
    at = picture.index(b"\xff\xc4")
    table = picture[at : at + 2 + struct.unpack_from(">H", picture, at + 2)[0]]
    assert stated_size(picture[:2] + table + picture[2:]) == SIDES


def test_rows_of_a_bmp_from_the_top():
    picture = bytearray(encoded(FLAT, "BMP"))
    picture[22:26] = struct.pack("<i", -17)
    assert stated_size(bytes(picture)) == SIDES


def test_jpeg_xl_as_a_stream_and_in_boxes():
    stream = base64.b64decode("".join(JPEG_XL[0]))
    assert stated_size(stream) == (40, 24)
    signature = b"\0\0\0\x0cJXL \r\n\x87\n" + b"\0\0\0\x14ftypjxl \0\0\0\0jxl "
    whole = struct.pack(">I", 8 + len(stream)) + b"jxlc" + stream
    part = struct.pack(">I4sI", 12 + len(stream), b"jxlp", 0) + stream
    long = struct.pack(">I4sQ", 1, b"jxlc", 16 + len(stream)) + stream
    for box in (whole, part, long):
        assert stated_size(signature + box) == (40, 24)
    assert stated_size(signature + b"\0\0\0\0Exif") is None


@pytest.mark.parametrize(
    ("fields", "size"),
    [
        # (bits, value) from the least significant: not small, selector, height - 1, ratio, ...
        ([(1, 0), (2, 0), (9, 299), (3, 0), (2, 1), (13, 1000)], (1001, 300)),
        ([(1, 0), (2, 2), (18, 19_999), (3, 1)], (20_000, 20_000)),
        ([(1, 0), (2, 3), (30, (1 << 30) - 1), (3, 7)], (1 << 31, 1 << 30)),
        ([(1, 0), (2, 0), (9, 480 - 1), (3, 5)], (853, 480)),
        ([(1, 1), (5, 9), (3, 0), (5, 0)], (8, 80)),
    ],
)
def test_the_size_header_of_jpeg_xl(fields, size):
    value, at = 0, 0
    for bits, number in fields:
        value |= number << at
        at += bits
    assert stated_size(b"\xff\x0a" + value.to_bytes(16, "little")) == size


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "WEBP"])
def test_headers_that_end_early_state_nothing(kind):
    picture = encoded(FLAT, kind)
    assert [stated_size(picture[:length]) for length in range(18)] == [None] * 18


@pytest.mark.parametrize("junk", [b"", b"no picture", b"<svg/>", b"II*\0" + bytes(99), bytes(99)])
def test_other_bytes_state_nothing(junk):
    assert stated_size(junk) is None


def test_the_frames_of_a_gif_add_up():
    sizes = [(30, 20), (10, 12), (7, 5)]
    canvas = b"GIF89a" + struct.pack("<HHBBB", 2_000, 2_000, 0x80, 0, 0) + bytes(6)
    frames = b"".join(
        b"!\xf9\x04\0\0\0\0\0," + struct.pack("<HHHHB", 0, 0, *size, 0) + b"\x02\x02\x44\x01\0"
        for size in sizes
    )
    picture = canvas + frames + b";"
    assert stated_size(picture) == (30, 20)
    assert pixels_in_memory(picture, (30, 20)) == 600 + 120 + 35
    with Image.open(io.BytesIO(picture)) as opened:
        assert opened.n_frames == 3


def test_other_formats_hold_one_frame():
    frames = {"save_all": True, "append_images": [Image.new("RGB", SIDES)] * 9}
    for kind in ("PNG", "WEBP"):
        assert pixels_in_memory(encoded(FLAT, kind, **frames), SIDES) == 300 * 17
