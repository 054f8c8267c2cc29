"""Quality filters, rule by rule."""

import numpy as np
import pytest

from clipbench_tf.data.preparation import filters
from clipbench_tf.data.preparation.filters import CaptionRules, clean_and_filter, make_filter
from clipbench_tf.data.text import english


@pytest.mark.parametrize(
    ("rules", "kept", "dropped", "reason"),
    [
        (CaptionRules(), "x", "", "caption empty"),
        (CaptionRules(), "\u200b\u2764", "\u200b\ufeff", "caption empty"),
        (CaptionRules(least_words=2), "a dog", "dog - !", "caption too short"),
        (CaptionRules(most_words=2), "a dog - !", "a dog runs", "caption too long"),
        (CaptionRules(most_characters=5), "a dog", "a dog!", "caption too long"),
        (CaptionRules(english_ratio=0.5), "a dog ein hund", "a ein hund", "too few English words"),
        (CaptionRules(english_ratio=0.1), "dog 2012", "2012", "too few English words"),
    ],
)
def test_each_rule_at_its_bound(rules: CaptionRules, kept: str, dropped: str, reason: str) -> None:
    assert rules.reason(kept) == ""
    assert rules.reason(dropped) == reason
    assert reason in filters.REASONS


def test_captions_as_found_are_kept_whatever_they_say() -> None:
    for caption in ("\U0001f600", "IMG_1234", "\u732b", "x" * 100_000, "a " * 50_000):
        assert make_filter("none").reason(caption) == ""


def test_a_filter_is_a_preset_with_fields_set_otherwise() -> None:
    quality = filters.PRESETS["quality"]
    assert make_filter("quality") == quality
    assert make_filter("none") == CaptionRules()
    changed = make_filter("quality,english_ratio=0.5,most_words=9")
    assert changed == CaptionRules(quality.least_words, 9, 0.5, quality.most_characters)
    assert make_filter("least_words=3") == CaptionRules(least_words=3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("qualty", "no filter 'qualty'; give one of none, quality"),
        ("", "no filter ''"),
        ("quality,words=3", "no 'words'; it has least_words, most_words"),
        ("quality,most_words", "'most_words' in a filter: '' is no number"),
        ("least_words=two", "'two' is no number"),
        ("english_ratio=70", "a number from 0 to 1"),
        ("least_words=5,most_words=4", "No caption has at least 5 and at most 4 words"),
        ("most_words=0", "most_words"),
        ("most_characters=0", "1 or more"),
    ],
)
def test_mistakes_name_the_remedy(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_filter(text)


def test_a_caption_is_cleaned_before_the_rules_apply() -> None:
    quality = make_filter("quality")
    assert clean_and_filter("A  dog &amp;\x00 a cat (http://a.b)", quality) == ("A dog & a cat", "")
    assert clean_and_filter(" http://a.b/ ", make_filter("none")) == ("", "caption empty")
    assert clean_and_filter("DSC00123.JPG www.a.b", quality).reason == "caption too short"


def test_an_overlong_caption_is_not_cleaned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filters, "clean_caption", lambda text: pytest.fail("was cleaned"))
    found = clean_and_filter("\u00c3\u00a9" * 1_000_000, make_filter("none"))
    assert found == ("\u00c3\u00a9" * 50, "caption too long")


def test_the_quality_filter_does_to_a_noisy_set_what_v2_did_to_v1() -> None:
    """More English words, shorter and more even captions, as in Table 2."""
    random = np.random.default_rng(0)
    known = sorted(word for word in english.english_words() if word[0] != "x")
    captions = []
    for length in np.ceil(random.lognormal(2.3, 1.2, 500)).astype(int):
        drawn = random.integers(len(known), size=length)
        is_known = random.random(length) < random.beta(2.0, 0.7)
        words = zip(drawn, is_known, strict=True)
        captions.append(" ".join(known[n] if is_word else f"x{n}q" for n, is_word in words))
    kept = [caption for caption in captions if not make_filter("quality").reason(caption)]

    def numbers(some: list[str]) -> tuple[float, float, float]:
        lengths = [len(caption.split()) for caption in some]
        ratios = [np.mean([word[0] != "x" for word in caption.split()]) for caption in some]
        return float(np.mean(lengths)), float(np.std(lengths)), float(np.mean(ratios))

    (mean, std, ratio), (kept_mean, kept_std, kept_ratio) = numbers(captions), numbers(kept)
    assert 200 < len(kept) < len(captions)
    assert kept_mean < mean
    assert kept_std < std
    assert ratio < 0.8 < 0.88 < kept_ratio
