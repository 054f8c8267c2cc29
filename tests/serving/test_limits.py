"""Pictures that are too large by their bytes or their header."""

import io
import struct

import numpy as np
import pytest
from PIL import Image

from clipbench_tf.serving.errors import RequestError
from clipbench_tf.serving.limits import Limits


def huge_png(width: int, height: int) -> bytes:
    """The beginning of a picture that would be this large."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR" + header + b"\0" * 4


def gif(frames: int, side: int) -> bytes:
    noise = np.random.default_rng(0).integers(0, 256, (frames, side, side), np.uint8)
    pictures = [Image.fromarray(one) for one in noise]
    buffer = io.BytesIO()
    pictures[0].save(buffer, "GIF", save_all=True, append_images=pictures[1:])
    return buffer.getvalue()


def test_a_picture_is_refused_by_its_header_and_its_row_is_named():
    with pytest.raises(RequestError, match=r"Picture 1 .* 20000 x 20000 pixels") as refused:
        Limits().check_pictures("image", [huge_png(10, 10), huge_png(20_000, 20_000)])
    assert refused.value.status == 413


def test_all_frames_of_a_gif_count():
    limits = Limits(picture_pixels=350)
    limits.check_pictures("image", [gif(3, 10)])
    with pytest.raises(RequestError, match="pixels"):
        limits.check_pictures("image", [gif(4, 10)])


def test_bytes_are_counted():
    with pytest.raises(RequestError, match="101 bytes") as refused:
        Limits(picture_bytes=100).check_pictures("image", [b"x" * 100, b"x" * 101])
    assert refused.value.status == 413


def test_what_is_no_picture_is_left_to_the_model():
    Limits().check_pictures("image", [b"", b"no picture", b"\xff\xd8\xff"])


@pytest.mark.parametrize("wrong", [{"rows": 0}, {"batch_wait": -1.0}, {"seconds": 0}])
def test_limits_that_nothing_meets_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Limits(**wrong)
