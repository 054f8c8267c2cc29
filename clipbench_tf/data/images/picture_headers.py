"""The size that a picture's header states, read without decoding anything and without TensorFlow.

Pillow reads headers too, but not those of JPEG XL, and it refuses pictures that TensorFlow decodes:
those with a damaged block beside their pixels, and all above a limit of its own.
"""

import struct
from collections.abc import Callable, Iterator

_NO_LENGTH = (0x00, 0x01, *range(0xD0, 0xD9))  # JPEG markers that nothing belongs to
_NO_FRAME = (0xC4, 0xC8, 0xCC)  # of the JPEG markers from C0 to CF
# JPEG XL's ways to state a size: width to height, and the bits of a side.
JXL_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
JXL_BITS = (9, 13, 18, 30)

Size = tuple[int, int]  # width and height, in pixels


def stated_size(encoded: bytes) -> Size | None:
    """Width and height of a picture of one of `decoding.FORMATS`, as its header states them.

    Returns: None if the bytes begin otherwise, end within the header, or state a side of 0.
    """
    for start, read in _READERS.items():
        if encoded.startswith(start):
            try:
                width, height = read(encoded)
            except (struct.error, IndexError):  # the bytes end too early
                return None
            return (width, height) if width and height else None
    return None


def pixels_in_memory(encoded: bytes, size: Size) -> int:
    """How many pixels are held while a picture of `size` is decoded.

    Those of a GIF are of all its frames: TensorFlow decodes each, though the first alone is used.
    """
    frames = _gif_frames(encoded) if encoded.startswith(b"GIF8") else [size]
    return sum(width * height for width, height in frames)


def _jpeg(data: bytes) -> Size:
    """The first frame header; thumbnails lie within blocks, which are passed over."""
    at = 2
    while True:
        while data[at] != 0xFF or data[at + 1] == 0xFF:  # before a marker, any bytes
            at += 1
        marker = data[at + 1]
        if 0xC0 <= marker <= 0xCF and marker not in _NO_FRAME:
            height, width = struct.unpack_from(">HH", data, at + 5)
            return width, height
        at += 2
        if marker not in _NO_LENGTH:
            at += struct.unpack_from(">H", data, at)[0]


def _png(data: bytes) -> Size:
    return struct.unpack_from(">II", data, 16)


def _gif(data: bytes) -> Size:
    """The largest frame: TensorFlow gives this size to the first one, whatever the canvas is."""
    frames = list(_gif_frames(data)) or [(0, 0)]
    return max(width for width, _ in frames), max(height for _, height in frames)


def _gif_frames(data: bytes) -> Iterator[Size]:
    at = 13 + _gif_colours(data[10])
    while at + 10 < len(data) and data[at] != ord(";"):
        if data[at] == ord(","):
            width, height, flags = struct.unpack_from("<HHB", data, at + 5)
            yield width, height
            at += 11 + _gif_colours(flags)
        else:
            at += 2
        while at < len(data) and data[at]:  # parts of up to 255 bytes
            at += 1 + data[at]
        at += 1


def _gif_colours(flags: int) -> int:
    """Bytes of a table of colours."""
    return 3 << (flags % 8 + 1) if flags & 0x80 else 0


def _bmp(data: bytes) -> Size:
    width, height = struct.unpack_from("<ii", data, 18)
    return abs(width), abs(height)  # rows from the top have a negative height


def _webp(data: bytes) -> Size:
    kind = data[12:16]
    if kind == b"VP8X":
        low, high, low_of_height, high_of_height = struct.unpack_from("<HBHB", data, 24)
        return 1 + low + (high << 16), 1 + low_of_height + (high_of_height << 16)
    if kind == b"VP8L":
        bits = struct.unpack_from("<I", data, 21)[0]
        return 1 + bits % (1 << 14), 1 + (bits >> 14) % (1 << 14)
    width, height = struct.unpack_from("<HH", data, 26)
    return width % (1 << 14), height % (1 << 14)


def _jxl_container(data: bytes) -> Size:
    """The stream of JPEG XL in a file of boxes, whole (jxlc) or in parts (jxlp)."""
    at = 0
    while True:
        length, kind = struct.unpack_from(">I4s", data, at)
        body = at + 8
        if length == 1:
            length, body = struct.unpack_from(">Q", data, body)[0], at + 16
        if kind in (b"jxlc", b"jxlp"):
            stream = body + 4 * (kind == b"jxlp")  # behind the number of a part
            return _jxl(data[stream : stream + 12])
        if length < 8:  # the last box
            return 0, 0
        at += length


def _jxl(data: bytes) -> Size:
    """The size header that follows the two bytes of the signature, least significant bit first."""
    bits = int.from_bytes(data[2:12], "little")

    def take(count: int) -> int:
        nonlocal bits
        value = bits % (1 << count)
        bits >>= count
        return value

    small = take(1)

    def side() -> int:
        return 8 * (1 + take(5)) if small else 1 + take(JXL_BITS[take(2)])

    height = side()
    ratio = take(3)
    if not ratio:
        return side(), height
    wide, high = JXL_RATIOS[ratio - 1]
    return height * wide // high, height


_READERS: dict[bytes, Callable[[bytes], Size]] = {
    b"\xff\xd8\xff": _jpeg,
    b"\x89PNG\r\n\x1a\n": _png,
    b"GIF8": _gif,
    b"BM": _bmp,
    b"RIFF": _webp,
    b"\xff\x0a": _jxl,
    b"\0\0\0\x0cJXL ": _jxl_container,
}
