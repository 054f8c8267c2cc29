"""Gives broken pictures and texts to an export: `python fuzz.py pictures|texts|huge FOLDER SEED N`.

Run as a program by the tests, not imported, with a limit of memory as a serving process has one.
Prints one line of JSON. Before each request it prints which it is, so that a crash can be found.
"""

import io
import json
import random
import resource
import struct
import sys
import zlib

import numpy as np
import tensorflow as tf
from PIL import Image

ROOM = 2 << 30  # bytes that requests may take above what the loaded model has
TOGETHER, GOOD = 6, 2  # broken pictures in a request, and good ones around them
TEXTS = 100  # in a request
LONG = 1 << 20  # bytes


def encoded(picture: Image.Image, kind: str, **options) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def whole_pictures() -> list[bytes]:
    """One of every format and kind that is read."""
    rng = np.random.default_rng(0)
    colours = Image.fromarray(rng.integers(0, 256, (40, 60, 3), np.uint8))
    alpha = colours.convert("RGBA")
    alpha.putalpha(Image.fromarray(rng.integers(0, 256, (40, 60), np.uint8)))
    frames = {"save_all": True, "append_images": [colours.rotate(180)] * 3, "duration": 50}
    exif = Image.Exif()
    exif[0x0112] = 6
    jpeg_xl = "/woFCIgECAABADABSygx3Xyjh5ZYKuwoKCg5QCFixEScON9hQwo/JojoQgBQgBBgAGLO39f00d3/32/9u+Ww"
    jpeg_xl += "/ngiCzXrTN5wxJKEmgiNNq/CttcfH+hEAA=="
    return [
        encoded(colours, "JPEG"),
        encoded(colours, "JPEG", progressive=True, exif=exif),
        encoded(colours.convert("CMYK"), "JPEG"),
        encoded(colours, "PNG"),
        encoded(alpha, "PNG"),
        encoded(colours.quantize(16), "PNG", transparency=bytes(range(16))),
        encoded(colours, "PNG", **frames),
        encoded(colours, "GIF"),
        encoded(colours, "GIF", **frames),
        encoded(colours, "BMP"),
        encoded(alpha, "BMP"),
        encoded(colours, "WEBP"),
        encoded(colours, "WEBP", lossless=True),
        encoded(alpha, "WEBP", exif=exif),
        encoded(colours, "WEBP", **frames),
        encoded(alpha, "WEBP", lossless=True, **frames),
        tf.io.decode_base64(jpeg_xl.replace("+", "-").replace("/", "_")).numpy(),
    ]


def broken(rng: random.Random, whole: list[bytes]) -> bytes:
    """A picture that is cut, changed, mixed with another, or none at all."""
    one = bytearray(rng.choice(whole))
    way = rng.randrange(8)
    if way == 0:  # truncated
        return bytes(one[: rng.randrange(len(one))])
    if way == 1:  # some bits turned
        for _ in range(rng.randint(1, 20)):
            one[rng.randrange(len(one))] ^= 1 << rng.randrange(8)
    elif way == 2:  # a lie in the header
        at, size = rng.randrange(2, 40), rng.choice((1, 2, 4))
        one[at : at + size] = rng.choice((b"\xff", b"\x00", b"\x7f", b"\x01", b"\x20")) * size
    elif way == 3:  # a part of random bytes
        at = rng.randrange(len(one))
        one[at : at + rng.randint(1, 200)] = rng.randbytes(rng.randint(1, 200))
    elif way == 4:  # the beginning of one, the rest of another
        at = rng.randrange(4, 60)
        return bytes(one[:at]) + rng.choice(whole)[at:]
    elif way == 5:  # one behind the other, or within it
        at = rng.randrange(len(one))
        return bytes(one[:at]) + rng.choice(whole) + bytes(one[at:])
    elif way == 6:  # a part twice, or gone
        at, size = rng.randrange(len(one)), rng.randint(1, 100)
        one[at:at] = one[at : at + size]
        if rng.random() < 0.5:
            del one[at : at + 2 * size]
    else:
        start = rng.choice((b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"BM", b"RIFF"))
        return start + rng.randbytes(rng.choice((0, 1, 10, 1000)))
    return bytes(one)


def huge() -> list[bytes]:
    """Whole pictures of 20,000 x 20,000 pixels: a PNG with alpha, and a grey JPEG."""
    side = 20_000
    rows = zlib.compressobj(1)
    row = bytes(1 + 4 * side)
    data = b"".join(rows.compress(row) for _ in range(side)) + rows.flush()
    parts = (
        (b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 6, 0, 0, 0)),
        (b"IDAT", data),
        (b"IEND", b""),
    )
    png = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in parts
    )
    jpeg = encoded(Image.new("L", (side, side)), "JPEG")
    return [png, jpeg]


def text(rng: random.Random) -> bytes:
    """A caption that no cleaning has seen."""
    way = rng.randrange(8)
    length = rng.choice((0, 1, 5, 40, 300))
    if way == 0:  # of all planes, also where no character is
        points = (rng.randrange(0x110000) for _ in range(length))
        return "".join(chr(p) for p in points if not 0xD800 <= p < 0xE000).encode()
    if way == 1:  # lone surrogates, as bytes
        return b" ".join(
            chr(rng.randrange(0xD800, 0xE000)).encode("utf-8", "surrogatepass")
            for _ in range(length)
        )
    if way == 2:  # no UTF-8
        return rng.randbytes(length)
    if way == 3:  # NUL and other controls
        return bytes(rng.choice(b"\x00\x01\x07\x1b\x7f\x00a b") for _ in range(length))
    if way == 4:  # from right to left, and marks that turn the direction
        return "".join(
            rng.choice("אבגدذر\u202e\u202d\u2066\u2069\u200f ") for _ in range(length)
        ).encode()
    if way == 5:  # many marks on one letter; parts of emoji
        return (
            "e" + "".join(rng.choice("\u0301\u0323\u20dd\u200d\ufe0f🏽👩") for _ in range(length))
        ).encode()
    if way == 6:  # marks of the tokenizer, and its patterns
        return "".join(
            rng.choice(("<|endoftext|>", "START", "END", "'s", "''", "1", "{}"))
            for _ in range(length)
        ).encode()
    return " ".join(
        rng.choice(("a", "photo", "of", "cat", "İ", "\u017f", "Ⅷ")) for _ in range(length)
    ).encode()


def limited() -> None:
    """From now on this process gets no more than `ROOM`."""
    with open("/proc/self/statm", encoding="ascii") as file:
        pages = int(file.read().split()[0])
    limit = pages * resource.getpagesize() + ROOM
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def peak() -> int:
    """The most bytes of memory that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def pictures(run, rng: random.Random, count: int) -> dict:
    """How many requests changed the answer for a good picture, or gave numbers that are none."""
    whole = whole_pictures()
    expected = run["encode_image"](image=tf.constant(whole))["embedding"].numpy()
    limited()
    changed = wrong = valid = 0
    for request in range(0, count, TOGETHER):
        bad = [broken(rng, whole) for _ in range(TOGETHER)]
        good = [rng.randrange(len(whole)) for _ in range(GOOD)]
        print("request", request, flush=True)
        answer = run["encode_image"](
            image=tf.constant([whole[good[0]], *bad, whole[good[1]]], tf.string)
        )
        found, told = answer["embedding"].numpy(), answer["valid"].numpy()
        ends = [0, len(found) - 1]
        changed += not (told[ends].all() and np.allclose(found[ends], expected[good], atol=1e-5))
        lengths = np.linalg.norm(found, axis=1)
        wrong += not np.allclose(lengths, told, atol=1e-4)  # 1, or 0 where there is no picture
        valid += int(told[1:-1].sum())
    return {"changed": changed, "wrong": wrong, "valid": valid}


def texts(run, rng: random.Random, count: int) -> dict:
    """The same for texts."""
    known = ["a photo of a cat", "Ärger ✨", ""]
    expected = run["encode_text"](text=tf.constant(known))["embedding"].numpy()
    long = [
        b"a" * LONG,
        "é🏽".encode() * (LONG // 6),
        bytes(LONG),
        rng.randbytes(LONG),
        b"1 " * LONG,
    ]
    limited()
    changed = wrong = 0
    for request in range(0, count, TEXTS):
        bad = [text(rng) for _ in range(TEXTS)]
        if request % (20 * TEXTS) == 0:
            bad[rng.randrange(TEXTS)] = long[request // (20 * TEXTS) % len(long)]
        print("request", request, flush=True)
        found = run["encode_text"](text=tf.constant([*known, *bad]))["embedding"].numpy()
        changed += not np.allclose(found[: len(known)], expected, atol=1e-5)
        wrong += not np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-4)
    return {"changed": changed, "wrong": wrong}


def too_large(run, rng: random.Random, count: int) -> dict:
    """Whether pictures of 20,000 x 20,000 pixels are refused, and the memory that this took."""
    whole, large = whole_pictures(), huge()
    run["encode_image"](image=tf.constant(whole))
    with open("/proc/self/clear_refs", "w", encoding="ascii") as file:
        file.write("5")  # the peak is counted anew
    before = held("VmRSS")
    answer = run["encode_image"](image=tf.constant([whole[0], *large, whole[1]]))
    return {"valid": answer["valid"].numpy().tolist(), "bytes": held("VmHWM") - before}


def held(name: str) -> int:
    """A field of this process's state, in bytes."""
    with open("/proc/self/status", encoding="ascii") as file:
        (line,) = [line for line in file if line.startswith(f"{name}:")]
    return int(line.split()[1]) << 10


if __name__ == "__main__":
    what, folder, seed, number = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    model = tf.saved_model.load(folder)  # kept, or its variables are freed
    ask = {"pictures": pictures, "texts": texts, "huge": too_large}[what]
    result = ask(model.signatures, random.Random(seed), number)
    print("ANSWER", json.dumps({**result, "peak": peak()}))
