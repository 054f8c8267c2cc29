"""Captions in the encodings that people's files have."""

import pytest

from clipbench_tf.data.readers.text import decoded

FRENCH = "Forêt d\u2019été — 5 €"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_the_same_text_comes_out_of_every_encoding(encoding):
    assert decoded(FRENCH.encode(encoding)) == FRENCH


def test_utf_16_of_either_byte_order_is_told_by_its_mark():
    assert decoded(b"\xfe\xff\x00c\x00a\x00t") == decoded(b"\xff\xfec\x00a\x00t\x00") == "cat"


def test_utf_16_that_ends_in_half_a_character_keeps_the_rest():
    assert decoded(b"\xff\xfec\x00a\x00t") == "ca\ufffd"


def test_a_byte_without_meaning_in_windows_1252_is_replaced_and_the_rest_kept():
    assert decoded(b"caf\xe9 \x81 bar") == "café \ufffd bar"


def test_an_emoji_and_right_to_left_text_in_utf_8_are_not_mistaken_for_windows_1252():
    assert decoded("🐈 שלום".encode()) == "🐈 שלום"


def test_only_the_first_mark_is_dropped_and_nothing_else_is_stripped():
    assert decoded(b"\xef\xbb\xbf\xef\xbb\xbf a\r\n") == "\ufeff a\r\n"
    assert decoded(b"") == ""
