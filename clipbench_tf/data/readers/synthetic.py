"""Made-up pairs of any number and size, to measure speed without data."""

import functools
import hashlib
import io
from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image

from clipbench_tf.data.readers.dataset import Dataset, DatasetError
from clipbench_tf.data.readers.options import refuse_unknown, specification

PART = 8192  # records
POOL = 64  # different pictures
MAX_COUNT = 10**9
LIMITS = {"size": (8, 8192), "words": (1, 1000), "captions": (1, 100), "classes": (2, 10**6)}
DEFAULTS = {"size": 224, "words": 12, "captions": 1}
FORMATS = {"jpeg": {"quality": 75}, "png": {}, "webp": {"quality": 75}}
_TEXT = """
    a the one two three some many old new small large long short bright dark red orange yellow
    green blue purple brown black white grey wooden stone metal glass paper round square open
    closed wet dry warm cold happy quiet busy empty wild young tall deep bird cat dog horse cow
    sheep fish frog bee fox bear tree flower leaf grass garden forest field river lake sea beach
    mountain valley island road street bridge tower house door window roof wall table chair lamp
    bed clock book letter picture camera phone cup bottle plate knife bread cheese apple cake car
    bus train boat bicycle wheel man woman child boy girl family friend crowd hand face hat coat
    shoe bag ball on in at near under over behind beside between
"""
WORDS = _TEXT.split()  # 128
_WORDS = _TEXT.encode().split()
_BYTES_LIST, _INT64_LIST = 1, 3  # fields of tf.train.Feature
_MINUS_ONE = b"\xff" * 9 + b"\x01"  # as protobuf writes it


def open_synthetic(path: str, options: Mapping[str, str]) -> Dataset:
    """Pairs that are made as they are read.

    A picture is one of 64 random ones with the spectrum of photographs (a JPEG of 224 x 224 pixels
    has about 20 kB), a caption is random words; both depend on the number of the pair alone.

    Args:
        path: "synthetic:COUNT", up to 10^9.
        options: `size` of the pictures in pixels (224), `words` in a caption (12), `captions` of a
            picture (1), `format` jpeg, png or webp (jpeg), `classes`: number n is of class
            n modulo this (no classes).

    Raises:
        DatasetError: for another option or value.
    """
    source = specification(path, options)
    refuse_unknown(options, (*LIMITS, "format"), source)
    count = _number(path.partition(":")[2], "the number of pairs", (1, MAX_COUNT), source)
    values = {
        name: _number(options[name], name, limits, source)
        for name, limits in LIMITS.items()
        if name in options
    }
    encoding = options.get("format", "jpeg")
    if encoding not in FORMATS:
        raise DatasetError(f"{source}: format is {encoding!r}; give {', '.join(FORMATS)}.")
    classes = tuple(map(_class_name, range(values.pop("classes", 0))))
    reader = SyntheticReader(count, encoding=encoding, classes=len(classes), **DEFAULTS | values)
    return Dataset(path, {"all": reader}, classes, source=source)


class SyntheticReader:
    """Made-up pairs, in parts of `PART`; see `open_synthetic`.

    Args:
        classes: their number, or 0 for pairs without labels.
    """

    def __init__(
        self, examples: int, *, size: int, words: int, captions: int, encoding: str, classes: int
    ) -> None:
        self.examples, self.words, self.captions, self.classes = examples, words, captions, classes
        self._pictures = [
            _entry(b"image", _BYTES_LIST, _field(picture)) for picture in pictures(size, encoding)
        ]

    @functools.cached_property
    def counts(self) -> Sequence[int]:
        """See `Reader`."""
        return [min(PART, self.examples - first) for first in range(0, self.examples, PART)]

    @functools.cached_property
    def names(self) -> Sequence[str]:
        """See `Reader`."""
        return [f"synthetic-{part:06d}" for part in range(len(self.counts))]

    def read(self, part: int, first: int, count: int) -> list[bytes]:
        """See `Reader`."""
        start = part * PART + first
        return [self._record(number) for number in range(start, start + count)]

    def _record(self, number: int) -> bytes:
        """A serialised tf.train.Example, put together by hand: the picture's part is the same."""
        seed = number.to_bytes(8, "little")
        # One byte for each word, and one for the picture.
        choices = hashlib.shake_128(seed).digest(self.words * self.captions + 1)
        texts = [
            _field(b" ".join([_WORDS[choice & 127] for choice in choices[at : at + self.words]]))
            for at in range(0, self.words * self.captions, self.words)
        ]
        label = _varint(number % self.classes) if self.classes else _MINUS_ONE
        return _field(
            _entry(b"key", _BYTES_LIST, _field(b"synthetic/%d" % number))
            + _entry(b"captions", _BYTES_LIST, b"".join(texts))
            + _entry(b"label", _INT64_LIST, _field(label))
            + self._pictures[choices[-1] % POOL]
        )


@functools.lru_cache(maxsize=4)
def pictures(size: int, encoding: str) -> tuple[bytes, ...]:
    """`POOL` different encoded pictures of `size` x `size` pixels, always the same.

    Their amplitude falls with the frequency as in photographs (1 / f), which decides how large a
    JPEG becomes and how long it takes to decode. Four of them are drawn, and the rest are these
    moved around.
    """
    drawn = [_noise(size, np.random.default_rng(seed)) for seed in range(4)]
    encoded = []
    for number in range(POOL):
        drawing, place = number % 4, number // 4
        pixels = np.roll(drawn[drawing], (place // 4 * size // 4, place % 4 * size // 4), (0, 1))
        out = io.BytesIO()
        Image.fromarray(pixels).save(out, encoding, **FORMATS[encoding])
        encoded.append(out.getvalue())
    return tuple(encoded)


def _noise(size: int, random: np.random.Generator) -> np.ndarray:
    """A random picture, uint8 [size, size, 3]: brightness and two weaker differences of colour."""
    rows, columns = np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None]
    frequency = np.maximum(np.hypot(rows, columns), 1 / size)
    planes = np.fft.irfft2(
        np.fft.rfft2(random.standard_normal((3, size, size))) / frequency, (size, size)
    )
    planes /= planes.std(axis=(1, 2), keepdims=True)
    light, warm, green = planes * np.array([50.0, 15.0, 10.0])[:, None, None]
    pixels = 118 + np.stack([light + warm, light + green, light - warm], axis=-1)
    return np.clip(pixels, 0, 255).astype(np.uint8)


def _class_name(number: int) -> str:
    """A name of its own for each number: its digits to the base 128, as words."""
    high, low = divmod(number, len(WORDS))
    return f"{_class_name(high)} {WORDS[low]}" if high else WORDS[low]


def _number(text: str, name: str, limits: tuple[int, int], source: str) -> int:
    low, high = limits
    text = text.replace("_", "")
    if not text.isdecimal() or not low <= int(text) <= high:
        raise DatasetError(
            f"{source}: {name} is {text!r}; give a whole number from {low} to {high}, as in "
            f"synthetic:1000?size=224&words=12."
        )
    return int(text)


def _entry(name: bytes, kind: int, values: bytes) -> bytes:
    """A feature in the map of a tf.train.Features."""
    return _field(_field(name) + _field(_field(values, kind), 2))


def _field(content: bytes, number: int = 1) -> bytes:
    """Field `number` of a protobuf message, with its length."""
    return b"%c%b%b" % (number << 3 | 2, _varint(len(content)), content)


def _varint(number: int) -> bytes:
    if number < 128:
        return b"%c" % number
    return b"%c%b" % (number & 127 | 128, _varint(number >> 7))
