"""The picture stage of data preparation: what is kept, and at what size.

Each picture is decoded once, by `decoding.decode`, the rule of training and evaluation. So what is
kept can be read there, and shows the same pixels: those of a picture that is not resized are its
own, because its bytes are passed through; those of a resized one differ by resampling and the loss
of JPEG.
"""

import enum
import io

import tensorflow as tf
from PIL import Image

from clipbench_tf.data.images import decoding
from clipbench_tf.data.images.picture_headers import Size, pixels_in_memory, stated_size

try:
    from cykooz_resizer import FilterType, ImageData, PixelType, ResizeAlg, ResizeOptions, Resizer
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        f"Preparing pictures needs the package {error.name}: pip install 'clipbench_tf[data]'.",
        name=error.name,
    ) from error

# All full-frame cameras stay below (61 million). At the limit decoding holds 0.2 GB for an opaque
# picture, resizing 0.6 GB, and a picture with alpha 2 GB.
LARGEST = 1 << 26

_LONGEST_JPEG = 65_500  # pixels of a side that libjpeg writes
_LANCZOS = ResizeOptions(resize_alg=ResizeAlg.convolution(FilterType.lanczos3))


class Drop(enum.StrEnum):
    """Why a picture is not kept."""

    EMPTY = "no picture bytes"
    UNREADABLE = "picture cannot be decoded"
    SMALL = "picture too small"
    LARGE = "picture too large"


def prepare(
    encoded: bytes,
    *,
    size: int | None = None,
    smallest: int = 1,
    largest: int = LARGEST,
    quality: int = 95,
) -> bytes | Drop:
    """Checks a picture, and makes it smaller.

    A picture whose shorter side is at most `size` keeps its bytes, of whatever format. A larger
    one becomes a JPEG without metadata, upright and on white, of the same aspect ratio.

    Args:
        encoded: a picture of one of `decoding.FORMATS`, or any other bytes.
        size: largest shorter side in pixels, antialiased by Lanczos' filter; None to keep all.
        smallest: least shorter side in pixels.
        largest: most pixels, of all frames of a GIF. Larger ones are dropped by their header,
            before anything is decoded.
        quality: of the JPEG, 1 to 100, with halved chroma (4:2:0).

    Returns: the bytes to store, or why there are none.
    """
    if not encoded:
        return Drop.EMPTY
    stated = stated_size(encoded)
    if stated is None:
        return Drop.UNREADABLE
    if min(stated) < smallest:
        return Drop.SMALL
    if pixels_in_memory(encoded, stated) > largest:
        return Drop.LARGE
    try:
        pixels = _decode(tf.constant(encoded))
    except tf.errors.InvalidArgumentError:
        return Drop.UNREADABLE
    if size is None or min(pixels.shape[:2]) <= size:
        return encoded
    return _smaller(pixels, size, quality)


@tf.function(input_signature=[tf.TensorSpec([], tf.string)])
def _decode(encoded: tf.Tensor) -> tf.Tensor:
    with tf.device("CPU"):  # parts of the rule would run on a GPU, which a copy to it delays
        return decoding.decode(encoded)


def _smaller(pixels: tf.Tensor, size: int, quality: int) -> bytes:
    """Resizes uint8 [H, W, 3] to a shorter side of `size`: a JPEG."""
    height, width, _ = pixels.shape
    target = _target((width, height), size)
    source = ImageData(width, height, PixelType.U8x3, bytes(memoryview(pixels)))
    resized = ImageData(*target, PixelType.U8x3)
    Resizer().resize(source, resized, _LANCZOS)
    picture = Image.frombytes("RGB", target, resized.get_buffer())
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=quality, subsampling="4:2:0")
    return stream.getvalue()


def _target(size: Size, shorter: int) -> Size:
    """`size`, reduced to a shorter side of `shorter`, or less where a JPEG would be too long."""
    scale = min(shorter / min(size), _LONGEST_JPEG / max(size))
    width, height = (max(1, round(side * scale)) for side in size)
    return width, height
