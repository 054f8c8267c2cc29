"""Cleaning of captions, against OpenAI's steps written out by hand."""

import html
import json

import ftfy
import numpy as np
import pytest

from clipbench_tf.data.text.cleaning import clean, clean_caption, without_tags, without_urls


@pytest.mark.parametrize(
    ("raw", "cleaned"),
    [
        ("", ""),
        (" \t\n\u3000", ""),
        ("  a dog \t on\na\u00a0mat ", "a dog on a mat"),
        ("cats &amp; dogs", "cats & dogs"),
        ("cats &amp;amp; dogs", "cats & dogs"),
        ("1 &lt; 2&nbsp;", "1 < 2"),
        ("caf\u00c3\u00a9", "caf\u00e9"),  # UTF-8 read as Latin-1
        ("cafe\u0301", "caf\u00e9"),  # composed, as the tokenizer's vocabulary has it
        ("it\u2019s", "it's"),
        ("a\x00b\x07c", "abc"),
        ("a&#0;b&#27;c", "a\ufffdbc"),  # control characters spelt as entities
        ("a\x1b[31m dog", "a dog"),  # a terminal's colour
        ("a\x85dog\u2028runs", "a\u2026dog runs"),  # an ellipsis of Windows, a line separator
        ("Keeps Case, and \u732b \U0001f600!", "Keeps Case, and \u732b \U0001f600!"),
        ("\u05db\u05dc\u05d1 \u200fdog\u200e", "\u05db\u05dc\u05d1 \u200fdog\u200e"),
        ("a <|endoftext|> b", "a <|endoftext|> b"),  # text, which the tokenizer reads as such
    ],
)
def test_clean(raw: str, cleaned: str) -> None:
    assert clean(raw) == cleaned
    assert clean(cleaned) == cleaned
    assert clean_caption(raw) == cleaned


def test_half_a_surrogate_pair_becomes_something_that_a_file_can_hold() -> None:
    broken = json.loads('"a dog \\ud83d runs"')
    with pytest.raises(UnicodeEncodeError):
        broken.encode()
    assert clean(broken) == "a dog \ufffd runs"


@pytest.mark.parametrize(
    ("found", "left"),
    [
        ("a dog http://a.b/c?d=e&f=g#h at home", "a dog  at home"),
        ("HTTPS://WWW.A.ORG/x a dog", " a dog"),
        ("see www.flickr.com/photos/1, please", "see  please"),
        ("a dog (http://a.b/c) and [www.x.y]", "a dog  and "),
        ('"http://a.b/c" and <ftp://a.b/d>', '"" and <>'),
        ("by jean.victor+balin@some-mail.co.uk", "by "),
        ("photo:http://a.b/c", "photo:"),
        ("no full stop.Here is one, at 5 p.m. @home", "no full stop.Here is one, at 5 p.m. @home"),
        ("flickr.com", "flickr.com"),  # could be the end of one sentence and the start of another
        ("the awww.some dog () []", "the awww.some dog  "),
    ],
)
def test_urls_and_mail_addresses_are_removed(found: str, left: str) -> None:
    assert without_urls(found) == left


@pytest.mark.parametrize(
    ("found", "left"),
    [
        ('<a href="http://a.b" rel="nofollow">a dog</a>', " a dog "),
        ("<b>a</b> dog<BR/>runs<br />fast", " a  dog runs fast"),
        ("1 < 2, a <b and c> d, 3 > 2, <3", "1 < 2, a <b and c> d, 3 > 2, <3"),
        ("an <apple> of <|endoftext|>", "an <apple> of <|endoftext|>"),
    ],
)
def test_tags_become_spaces(found: str, left: str) -> None:
    assert without_tags(found) == left


def test_a_description_of_flickr_becomes_a_sentence() -> None:
    found = (
        "Denise&#39;s  chicken,\nrecipe &lt;a href=&quot;http://a.com/R.aspx&quot;&gt;here"
        "&lt;/a&gt; (www.a.com)\u00a0&amp; at me@a.com"
    )
    assert clean_caption(found) == "Denise's chicken, recipe here & at"
    assert clean_caption(clean_caption(found)) == clean_caption(found)


@pytest.mark.parametrize(
    "piece",
    [
        "a",
        "a ",
        "a@",
        "@",
        "www.",
        "http://",
        "(",
        "( ",
        "<a ",
        "<a x=",
        "</",
        "&amp;",
        "\u00c3\u00a9",
    ],
)
def test_captions_of_100_kb_take_time_in_proportion_to_their_length(piece: str) -> None:
    """Where the time grew with the square of the length, this would run for minutes."""
    clean_caption(piece * (100_000 // len(piece)))


def test_plain_text_is_what_the_repair_of_broken_text_makes_of_it() -> None:
    random = np.random.default_rng(0)
    plain = [c for c in map(chr, range(32, 127)) if c != "&"] + [" "] * 30
    for length in random.integers(0, 60, 500):
        text = "".join(random.choice(plain, length))
        assert clean(text) == " ".join(html.unescape(ftfy.fix_text(text)).split())
