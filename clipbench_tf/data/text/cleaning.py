"""The caption cleaning of OpenAI's tokenizer, done once, when data is prepared."""

import html

import ftfy


def clean(text: str) -> str:
    """Repairs broken Unicode, resolves HTML entities (twice) and collapses whitespace.

    As `basic_clean` and `whitespace_clean` of github.com/openai/CLIP `simple_tokenizer.py`. Only
    what prepares data may import this file: training and serving do without ftfy.
    """
    return " ".join(html.unescape(html.unescape(ftfy.fix_text(text))).split())
