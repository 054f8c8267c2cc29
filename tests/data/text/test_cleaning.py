"""Cleaning of captions, against OpenAI's steps written out by hand."""

import pytest

from clipbench_tf.data.text.cleaning import clean


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
        ("Keeps Case, and \u732b \U0001f600!", "Keeps Case, and \u732b \U0001f600!"),
    ],
)
def test_clean(raw: str, cleaned: str) -> None:
    assert clean(raw) == cleaned
    assert clean(cleaned) == cleaned
