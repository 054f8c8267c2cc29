"""Headers of tars, beside what Python's tarfile reads in them."""

import io
import tarfile
from pathlib import Path

import pytest

from clipbench_tf.data.readers.tars.tar_headers import REGULAR, UNREADABLE, Member, members
from tests.data.readers.tars.tar_files import write

FORMATS = [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]


def found(data: bytes) -> list[Member]:
    return list(members(lambda at, length: data[at : at + length], 0, len(data)))


def regular(data: bytes) -> list[tuple[bytes, bytes]]:
    return [
        (member.name, data[member.data : member.data + member.size])
        for member in found(data)
        if member.kind in REGULAR
    ]


def by_tarfile(path: Path) -> list[tuple[bytes, bytes]]:
    with tarfile.open(path) as tar:
        return [(m.name.encode(), tar.extractfile(m).read()) for m in tar if m.isreg()]


@pytest.mark.parametrize("form", FORMATS)
def test_names_and_contents_are_those_of_tarfile_in_each_format(form, tmp_path):
    names = ["a.jpg", "folder/b.txt", f"{'long/' * 25}c.jpg", "d" * 99 + "/" + "e" * 50 + ".jpg"]
    if form != tarfile.USTAR_FORMAT:
        names += ["f" * 300 + ".jpg", "Füße/日本.jpg", "a = 3 path=b\n.jpg"]
    link, folder = tarfile.TarInfo(), tarfile.TarInfo()
    link.type, link.linkname = tarfile.SYMTYPE, "x" * (90 if form == tarfile.USTAR_FORMAT else 200)
    folder.type = tarfile.DIRTYPE
    files = [(name, bytes(3 + 511 * number)) for number, name in enumerate(names)]
    files[2:2] = [("link.jpg", link), ("folder", folder), ("empty.jpg", b"")]
    path = write(tmp_path / "a.tar", files, form)
    assert regular(path.read_bytes()) == by_tarfile(path)
    assert len(regular(path.read_bytes())) == len(names) + 1


def test_attributes_that_say_nothing_of_the_name_are_passed_over(tmp_path):
    # The writer of the webdataset package gives times with fractions, and so such headers.
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name in ("a.jpg", "b.jpg"):
            info = tarfile.TarInfo(name)
            info.mtime, info.size = 1.5, 4
            tar.addfile(info, io.BytesIO(b"data"))
    assert [(m.name, m.start, m.data) for m in found(data.getvalue())] == [
        (b"a.jpg", 0, 1536),
        (b"b.jpg", 2048, 3584),
    ]


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_a_member_of_more_than_8_gb_is_stepped_over(form):
    info = tarfile.TarInfo("big.jpg")
    info.size = (9 << 30) + 1
    head, tail = info.tobuf(form), tarfile.TarInfo("next.txt").tobuf(form)
    behind = len(head) + (9 << 30) + 512

    def take(at: int, length: int) -> bytes:
        source, at = (head, at) if at < behind else (tail, at - behind)
        return source[at : at + length]

    sizes = [(m.name, m.size, m.data) for m in members(take, 0, behind + 512)]
    assert sizes == [(b"big.jpg", info.size, len(head)), (b"next.txt", 0, behind + 512)]


def test_an_archive_of_version_7_without_magic_word_is_read_by_its_checksum(tmp_path):
    data = bytearray(write(tmp_path / "a.tar", [("a.jpg", b"x")]).read_bytes())
    data[257:265] = bytes(8)
    assert found(bytes(data))[0].kind == UNREADABLE
    data[148:156] = b" " * 8
    data[148:156] = b"%06o\0 " % sum(data[:512])
    assert regular(bytes(data)) == [(b"a.jpg", b"x")]


def test_archives_one_behind_the_other_are_all_read_and_what_is_no_archive_is_not(tmp_path):
    one = write(tmp_path / "a.tar", [("a.jpg", b"x")]).read_bytes()
    two = write(tmp_path / "b.tar", [("b.jpg", b"y")]).read_bytes()
    assert regular(one + two) == [(b"a.jpg", b"x"), (b"b.jpg", b"y")]
    assert [m.name for m in found(one + b"something else" * 100)] == [b"a.jpg"]


def sparse(tmp_path: Path, form: str) -> bytes:
    """An old GNU sparse file with a map of two blocks, or a pax one, and a file behind it."""
    behind = write(tmp_path / "b.tar", [("b.jpg", b"y")]).read_bytes()
    info = tarfile.TarInfo("a.jpg")
    info.size = 600
    if form == "pax":
        info.pax_headers = {"GNU.sparse.major": "0", "GNU.sparse.name": "a.jpg"}
        return info.tobuf(tarfile.PAX_FORMAT) + bytes(1024) + behind
    info.type = tarfile.GNUTYPE_SPARSE
    head = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    head[482] = 1
    return bytes(head) + b"1" * 504 + b"\x01" + bytes(7) + bytes(512) + b"d" * 1024 + behind


@pytest.mark.parametrize("form", ["pax", "GNU"])
def test_a_sparse_file_is_stepped_over_and_never_taken_for_a_picture(form, tmp_path):
    content = regular(sparse(tmp_path, form))
    assert content[-1] == (b"b.jpg", b"y")
    assert b"a.jpg" not in dict(content)


@pytest.mark.parametrize("spoilt", [b"9z", b"\x41junk"])
def test_a_damaged_size_ends_the_archive_as_unreadable(spoilt, tmp_path):
    data = bytearray(write(tmp_path / "a.tar", [("a.jpg", b"x"), ("b.jpg", b"y")]).read_bytes())
    data[1024 + 124 : 1024 + 124 + len(spoilt)] = spoilt
    assert [(m.name, m.kind) for m in found(bytes(data))] == [
        (b"a.jpg", b"0"),
        (b"", UNREADABLE),
    ]
