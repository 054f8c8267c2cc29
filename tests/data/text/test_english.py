"""Words of captions, and which of them are English."""

import pytest

from clipbench_tf.data.text import english


@pytest.mark.parametrize(
    ("caption", "words"),
    [
        ("", []),
        ("A dog, on (the) mat!", ["a", "dog", "on", "the", "mat"]),
        ("- & | ... \U0001f600 \u2764\ufe0f", []),
        ("\"It\u2019s\" the dogs' ROCK'n'roll", ["it's", "the", "dogs", "rock'n'roll"]),
        ("black-and-white U.S. f/2.8", ["black-and-white", "u.s", "f/2.8"]),
        ("#42: 10:30, 5%", ["42", "10:30", "5"]),
        (
            "\u732b\u304c\u3044\u308b\u3002 \u00c9t\u00e9",
            ["\u732b\u304c\u3044\u308b", "\u00e9t\u00e9"],
        ),
        ("\u0939\u093f\u0902\u0926\u0940!", ["\u0939\u093f\u0902\u0926\u0940"]),  # ends in a mark
    ],
)
def test_words(caption: str, words: list[str]) -> None:
    assert english.words(caption) == words


ENGLISH = """
dog dogs dog's running colour color london don't it's a i black-and-white and/or mid-1960s dog,cat
mother's-day caf\u00e9 km
"""


@pytest.mark.parametrize("word", ENGLISH.split())
def test_english(word: str) -> None:
    assert english.is_english(word)
    assert not english.is_number(word)


@pytest.mark.parametrize(
    "word", ["hund", "katze", "dsc", "img_1234", "dsc00123", "5d", "50mm", "asdf", "de", "la", "q"]
)
def test_not_english(word: str) -> None:
    assert not english.is_english(word)
    assert not english.is_number(word)


@pytest.mark.parametrize(
    "word", ["2012", "10:30", "19th", "1st", "1960s", "1960's", "24/7", "\u00bd"]
)
def test_numbers_are_of_no_language(word: str) -> None:
    assert english.is_number(word)
    assert not english.is_english(word)


def test_the_ratio_leaves_numbers_out() -> None:
    def ratio(caption: str) -> float:
        return english.ratio(*english.count(english.words(caption)))

    assert english.count(english.words("a dog and ein hund in 2012")) == (4, 6)
    assert ratio("a dog and ein hund in 2012") == 4 / 6
    assert ratio("Christmas 2008") == 1.0
    assert ratio("IMG_1234") == ratio("2012") == ratio("") == ratio("\U0001f600") == 0.0


def test_sentences_of_other_languages_have_few_english_words() -> None:
    sentences = {
        "the black cat sleeps on the kitchen table while the children play in the garden": (1, 1),
        "le chat noir dort sur la table de la cuisine et les enfants jouent": (0, 0.4),
        "el gato negro duerme sobre la mesa y los ni\u00f1os juegan en el jardin": (0, 0.4),
        "die schwarze katze schl\u00e4ft auf dem tisch und die kinder spielen": (0, 0.4),
        "\u9ed2\u3044\u732b \u304c \u53f0\u6240 \u3067 \u5bdd\u308b": (0, 0),
    }
    for sentence, (low, high) in sentences.items():
        assert low <= english.ratio(*english.count(english.words(sentence))) <= high, sentence


def test_long_runs_take_time_in_proportion_to_their_length() -> None:
    """Where the time grew with the square of the length, or faster, this would run for minutes."""
    for piece in ("1", "1s", "-", "a-", "'", "_"):
        english.count(english.words(piece * 100_000 + "x"))


def test_a_word_list_in_lower_case_without_possessives_and_short_foreign_words() -> None:
    lines = ["Dog", "dog", "dog's", "ca\ufb01\u2019s", "DE", "a", "q", "of", "don't", ""]
    assert english.word_list(lines) == ["a", "ca\ufb01", "dog", "don't", "of"]


def test_the_shipped_list_is_one_that_the_builder_can_have_made() -> None:
    shipped = english.english_words()
    assert 70_000 < len(shipped) < 80_000
    assert english.word_list(shipped) == sorted(shipped)
