"""What is kept, dropped and resized, beside Pillow and the pixels that training reads."""

import base64
import io
import re
import runpy
import struct
import sys
import tracemalloc
import zlib

import numpy as np
import pytest
from PIL import Image, ImageOps

from clipbench_tf.benchmarks.samples.photographs import SMOOTH, TEXTURED, jpegs
from clipbench_tf.data.preparation import pictures
from clipbench_tf.data.preparation.pictures import LARGEST, Drop, prepare
from tests.data.images.test_decoding import (
    COLOURS,
    FRAMES,
    JPEG_XL,
    SEE_THROUGH,
    decode,
    encoded,
    held,
)

ANIMATED = {"save_all": True, "append_images": FRAMES[1:], "duration": 100}
Y, X = np.mgrid[0:90, 0:120]
HILLS = np.stack([X * 2, Y * 2, 99 + 50 * np.sin(X / 9) * np.cos(Y / 9)], -1).astype(np.uint8)
HILL_ALPHA = np.dstack([HILLS, (X * 2).astype(np.uint8)])


def opened(picture: bytes) -> Image.Image:
    return Image.open(io.BytesIO(picture))


def jpeg_xl(which: int) -> bytes:
    return base64.b64decode("".join(JPEG_XL[which]))


def deep_png(pixels: np.ndarray) -> bytes:
    """A colour PNG of 16 bits, which Pillow cannot write."""
    rows = b"".join(b"\0" + row.tobytes() for row in pixels.astype(">u2"))
    header = struct.pack(">IIBBBBB", pixels.shape[1], pixels.shape[0], 16, 2, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    )


def kinds(pixels: np.ndarray, alpha: np.ndarray) -> dict[str, bytes]:
    """The kinds of pictures that people have."""
    picture, clear = Image.fromarray(pixels), Image.fromarray(alpha)
    palette = clear.quantize(64)
    animated = ANIMATED | {"append_images": [ImageOps.invert(picture)]}
    return {
        "JPEG": encoded(picture, "JPEG", quality=95),
        "progressive": encoded(picture, "JPEG", quality=95, progressive=True),
        "grey JPEG": encoded(picture.convert("L"), "JPEG", quality=95),
        "CMYK": encoded(picture.convert("CMYK"), "JPEG", quality=95),
        "EXIF": encoded(picture, "JPEG", quality=95, exif=held(6)),
        "PNG": encoded(picture, "PNG"),
        "16 bits": deep_png(pixels.astype(np.uint16) * 256 + 77),
        "16 bits grey": encoded(Image.fromarray(pixels[..., 0].astype(np.uint16) * 256), "PNG"),
        "palette": encoded(palette.convert("RGB").quantize(64), "PNG"),
        "palette with alpha": encoded(palette, "PNG"),
        "alpha": encoded(clear, "PNG"),
        "WebP": encoded(picture, "WEBP", quality=95),
        "WebP with alpha": encoded(clear, "WEBP", lossless=True),
        "animated WebP": encoded(picture, "WEBP", lossless=True, **animated),
        "animated PNG": encoded(picture, "PNG", **animated),
        "GIF": encoded(picture, "GIF", **animated),
        "BMP": encoded(picture, "BMP"),
    }


SMALL = kinds(np.asarray(COLOURS), np.asarray(SEE_THROUGH)) | {
    "JPEG XL": jpeg_xl(0),
    "JPEG XL with alpha": jpeg_xl(1),
    "grey JPEG XL": jpeg_xl(2),
}
LARGER = kinds(HILLS, HILL_ALPHA)


def psnr(one: np.ndarray, other: np.ndarray) -> float:
    return 10 * np.log10(255**2 / np.mean((one.astype(float) - other) ** 2))


def float_lanczos(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resized without rounding to levels, [H, W, 3]."""
    channels = np.moveaxis(pixels.astype(np.float32), -1, 0)
    return np.stack(
        [np.asarray(Image.fromarray(c).resize(size, Image.Resampling.LANCZOS)) for c in channels],
        -1,
    )


@pytest.mark.parametrize("kind", SMALL)
def test_bytes_of_pictures_that_are_not_resized_pass_through(kind):
    picture = SMALL[kind]
    assert prepare(picture) is picture
    assert prepare(picture, size=24) is picture
    assert prepare(picture, size=500, smallest=24) is picture


@pytest.mark.parametrize("kind", LARGER)
def test_resized_pictures_show_what_training_would_read(kind):
    picture = prepare(LARGER[kind], size=60)
    read = decode(LARGER[kind]).numpy()
    small = opened(picture)
    turned = kind == "EXIF"
    assert (small.format, small.mode) == ("JPEG", "RGB")
    assert small.size == ((60, 80) if turned else (80, 60))
    assert not small.getexif()
    assert psnr(decode(picture).numpy(), float_lanczos(read, small.size)) > 33


def test_a_jpeg_xl_is_resized_and_composited_on_white():
    picture = opened(prepare(jpeg_xl(1), size=12))
    y, x = np.mgrid[0:24, 0:40]
    colour = np.stack([6 * x, 10 * y, 4 * (x + y)], -1)
    share = np.where(x < 20, 0, 200)[..., None] / 255
    white = 255 + (colour - 255) * share
    assert psnr(np.asarray(picture), float_lanczos(white, (20, 12))) > 30


@pytest.mark.parametrize("orientation", range(1, 9))
def test_resized_photographs_are_upright(orientation):
    photograph = encoded(Image.fromarray(HILLS), "JPEG", quality=97, exif=held(orientation))
    picture = opened(prepare(photograph, size=45))
    expected = np.asarray(ImageOps.exif_transpose(opened(photograph)))
    assert picture.size == ((45, 60) if orientation >= 5 else (60, 45))
    assert psnr(np.asarray(picture), float_lanczos(expected, picture.size)) > 33


@pytest.mark.parametrize(
    ("sides", "size", "expected"),
    [
        ((500, 375), 256, (341, 256)),
        ((375, 500), 256, (256, 341)),
        ((257, 257), 256, (256, 256)),
        ((3, 900), 2, (2, 600)),
        ((64, 48), 1, (1, 1)),
        ((70_000, 300), 256, (59_733, 256)),
        ((200_000, 3), 2, (65_500, 1)),
    ],
)
def test_the_aspect_ratio_is_kept(sides, size, expected):
    assert opened(prepare(encoded(Image.new("RGB", sides), "PNG"), size=size)).size == expected


@pytest.mark.parametrize("kind", [TEXTURED, SMOOTH])
def test_quality_is_that_of_pillow(kind):
    for photograph in jpegs(2, (500, 375), kind):
        size = (341, 256)
        pixels = np.asarray(opened(photograph))
        reference = float_lanczos(pixels, size)
        pillow = Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS)
        theirs = opened(encoded(pillow, "JPEG", quality=95))
        ours = prepare(photograph, size=256)
        assert psnr(np.asarray(opened(ours)), reference) > psnr(np.asarray(theirs), reference) - 1.5
        read = float_lanczos(decode(photograph).numpy(), size)
        assert psnr(np.asarray(opened(ours)), read) > psnr(np.asarray(theirs), reference) - 0.3
        assert abs(len(ours) / len(encoded(pillow, "JPEG", quality=95)) - 1) < 0.02


def test_detail_finer_than_the_result_is_averaged():
    board = (np.indices((512, 512)).sum(0) % 2 * 255).astype(np.uint8)
    picture = prepare(encoded(Image.fromarray(board), "PNG"), size=200)
    assert np.ptp(np.asarray(opened(picture)).astype(int)) < 12


def test_quality_decides_the_size_in_bytes():
    photograph = jpegs(1, (500, 375), TEXTURED)[0]
    lengths = [len(prepare(photograph, size=256, quality=q)) for q in (50, 80, 95)]
    assert lengths == sorted(lengths) and lengths[0] < lengths[2] / 3


def test_no_bytes_and_other_bytes_are_dropped():
    assert prepare(b"") == Drop.EMPTY == "no picture bytes"
    for junk in (b"<html>404</html>", b"\xff\xd8\xff\xe0", bytes(1000), encoded(COLOURS, "TIFF")):
        assert prepare(junk) == Drop.UNREADABLE == "picture cannot be decoded"


@pytest.mark.parametrize("kind", ["JPEG", "progressive", "PNG", "WebP", "GIF", "BMP"])
def test_truncated_pictures_are_dropped(kind):
    picture = LARGER[kind]
    for part in (0.2, 0.5, 0.8):
        # TensorFlow reads a GIF that lacks later frames: cut within the first of two.
        cut = picture[: int(len(picture) * (part if kind != "GIF" else part / 3))]
        assert prepare(cut) == prepare(cut, size=32) == Drop.UNREADABLE


def test_a_truncated_jpeg_xl_is_dropped():
    assert prepare(jpeg_xl(0)[:60]) == Drop.UNREADABLE


def test_what_the_name_says_does_not_matter():
    assert opened(prepare(LARGER["PNG"], size=50)).format == "JPEG"


def test_small_pictures_are_dropped_by_their_shorter_side():
    dot = encoded(Image.new("RGB", (1, 1)), "PNG")
    assert prepare(dot) is dot
    assert prepare(dot, smallest=2) == Drop.SMALL == "picture too small"
    assert prepare(SMALL["JPEG"], smallest=25) == Drop.SMALL
    assert prepare(SMALL["JPEG"], smallest=24) is SMALL["JPEG"]


def bomb(kind: str) -> bytes:
    """A picture of a few bytes whose header states 20,000 x 20,000 pixels."""
    picture = bytearray(encoded(COLOURS, kind))
    at, form, sides = {
        "PNG": (16, ">II", (20_000, 20_000)),
        "BMP": (18, "<ii", (20_000, -20_000)),
        "JPEG": (picture.find(b"\xff\xc0") + 5, ">HH", (20_000, 20_000)),
        "GIF": (picture.find(b",\0\0\0\0") + 5, "<HH", (20_000, 20_000)),
        "WEBP": (26, "<HH", (16_383, 16_383)),
    }[kind]
    struct.pack_into(form, picture, at, *sides)
    return bytes(picture)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "JPEG", "GIF", "WEBP"])
def test_bombs_are_dropped_by_their_header(kind, monkeypatch):
    picture = bomb(kind)
    monkeypatch.setattr(pictures, "_decode", None)
    tracemalloc.start()
    assert prepare(picture) == prepare(picture, size=8) == Drop.LARGE == "picture too large"
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


def test_a_jpeg_xl_bomb_is_dropped():
    size = (0 | 2 << 1 | 19_999 << 3 | 1 << 21).to_bytes(3 + 9, "little")
    assert prepare(b"\xff\x0a" + size) == Drop.LARGE


def test_a_real_bomb_is_dropped():
    rows = zlib.compressobj(9)
    data = b"".join(rows.compress(bytes(2501)) for _ in range(20_000)) + rows.flush()
    header = struct.pack(">IIBBBBB", 20_000, 20_000, 1, 0, 0, 0, 0)
    picture = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(part)) + kind + part + struct.pack(">I", zlib.crc32(kind + part))
        for kind, part in ((b"IHDR", header), (b"IDAT", data), (b"IEND", b""))
    )
    assert len(picture) < 100_000 and prepare(picture) == Drop.LARGE


def test_the_most_pixels_can_be_chosen_and_count_all_frames_of_a_gif():
    assert prepare(SMALL["PNG"], largest=40 * 24) is SMALL["PNG"]
    assert prepare(SMALL["PNG"], largest=40 * 24 - 1) == Drop.LARGE
    assert prepare(SMALL["GIF"], largest=40 * 24) == Drop.LARGE
    assert prepare(SMALL["GIF"], largest=2 * 40 * 24) is SMALL["GIF"]
    assert 9504 * 6336 < LARGEST < 10_000 * 10_000  # full frame is kept


def test_a_missing_package_is_named_with_its_remedy(monkeypatch):
    monkeypatch.setitem(sys.modules, "cykooz_resizer", None)
    remedy = re.escape("cykooz_resizer: pip install 'clipbench_tf[data]'.")
    with pytest.raises(ModuleNotFoundError, match=remedy):
        runpy.run_path(pictures.__file__)
