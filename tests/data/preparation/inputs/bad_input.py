"""A table with every kind of row that should not harm, and what should become of each."""

import io
import json
import struct
import zlib
from pathlib import Path

from PIL import Image

from tests.data.preparation.inputs.made_pairs import picture

RTL, EMOJI = "\u202eشجرة في الحديقة\u202c", "a dog 🐶 on a 🏖️ beach"
LONG = "word " * 20_001


def bomb() -> bytes:
    """A PNG of 20,000 x 20,000 white pixels, in 50 kB."""

    def chunk(name: bytes, data: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(name + data))
        return struct.pack(">I", len(data)) + name + data + checksum

    packer = zlib.compressobj(9)
    row = b"\0" + b"\xff" * 2500
    data = b"".join([*(packer.compress(row) for _ in range(20_000)), packer.flush()])
    head = struct.pack(">IIBBBBB", 20_000, 20_000, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def animation() -> bytes:
    frames = [Image.new("RGB", (32, 24), colour) for colour in ("red", "green", "blue")]
    out = io.BytesIO()
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:])
    return out.getvalue()


def cmyk() -> bytes:
    out = io.BytesIO()
    Image.new("CMYK", (30, 30), (10, 200, 30, 40)).save(out, "JPEG")
    return out.getvalue()


def write(folder: Path) -> tuple[str, dict[str, list[str]], dict[str, str]]:
    """Writes pairs.jsonl and its pictures.

    Returns: the source, the keys to be dropped by reason, and the keys to be kept with captions.
    """
    folder.mkdir()
    plain = picture(1, (40, 30), "JPEG")
    rows = {
        "good.jpg": (plain, "a good picture"),
        "png.jpg": (picture(2), "a PNG named .jpg"),
        "cmyk.jpg": (cmyk(), "inks"),
        "animated.gif": (animation(), "a moving picture"),
        "nul.png": (picture(3), "before\0after"),
        "rtl.png": (picture(4), RTL),
        "emoji.png": (picture(5), EMOJI),
        "entity.png": (picture(6), "salt &amp;amp; pepper  <|endoftext|>\n"),
        "surrogate.png": (picture(7), "half \ud83d a pair"),
        "truncated.jpg": (plain[: len(plain) // 2], "cut short"),
        "dot.png": (picture(8, (1, 1)), "one pixel"),
        "bomb.png": (bomb(), "a bomb"),
        "empty.jpg": (b"", "zero bytes"),
        "text.jpg": (b"<html>not found</html>", "no picture"),
        "long.png": (picture(9), LONG),
        "address.png": (picture(10), "http://example.org/a.png"),
        "missing.jpg": (None, "not there"),
        "copy.png": (picture(4), "the picture of rtl.png"),
    }
    for name, (data, _) in rows.items():
        if data is not None:
            (folder / name).write_bytes(data)
    lines = [json.dumps({"filename": name, "caption": text}) for name, (_, text) in rows.items()]
    lines.insert(3, '{"filename": "broken.jpg", "caption": ')
    lines.append(json.dumps({"filename": "good.jpg", "caption": "its key is there already"}))
    lines.append(json.dumps({"filename": "nul.png", "caption": ""}))
    (folder / "pairs.jsonl").write_text("".join(f"{line}\n" for line in lines))
    dropped = {
        "picture cannot be decoded": ["truncated.jpg", "text.jpg"],
        "picture too small": ["dot.png"],
        "picture too large": ["bomb.png"],
        "no picture bytes": ["empty.jpg"],
        "caption too long": ["long.png"],
        "caption empty": ["address.png"],
        "no caption": ["nul.png"],
        "missing file": ["missing.jpg"],
        "bad JSON line": ["pairs.jsonl:3"],
        "duplicate key": ["good.jpg"],
        "duplicate picture": ["copy.png"],
    }
    kept = {name: rows[name][1] for name in list(rows)[:9]}
    kept |= {
        "nul.png": "beforeafter",
        "entity.png": "salt & pepper <|endoftext|>",
        "surrogate.png": "half ? a pair",
    }
    return f"{folder}/pairs.jsonl?missing=skip&key=filename", dropped, kept
