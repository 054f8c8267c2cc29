"""The tokenizer in graph, against transformers' and a plain Python byte-pair encoder."""

import json
import subprocess
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from transformers import CLIPTokenizer

from clipbench_tf.data.text.bpe import load_bpe
from clipbench_tf.data.text.tokenizer import Tokenizer
from tests.data.text.python_bpe import PATTERN, SPECIALS, PythonBpe, varied_captions


@pytest.fixture(scope="module")
def python_bpe() -> PythonBpe:
    return PythonBpe()


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer()


@pytest.fixture(scope="module")
def encode(tokenizer: Tokenizer) -> tf.types.experimental.PolymorphicFunction:
    """The tokenizer as one graph for all texts."""
    return tf.function(tokenizer, input_signature=[tf.TensorSpec([None], tf.string)])


def tokenize(encode: Callable[[tf.Tensor], tf.Tensor], texts: list[str]) -> np.ndarray:
    return encode(tf.constant(texts)).numpy()


def assert_same(texts: list[str], ours: np.ndarray, theirs: np.ndarray) -> None:
    differing = np.flatnonzero((ours != theirs).any(axis=1))
    assert not differing.size, [(texts[i], ours[i], theirs[i]) for i in differing[:3]]


@pytest.fixture(scope="module")
def captions(python_bpe: PythonBpe) -> list[str]:
    pieces = [p.removesuffix("</w>") for p in python_bpe.vocabulary if p.isascii()]
    return varied_captions([p for p in pieces if p not in SPECIALS], 20_000, seed=0)


@pytest.mark.parametrize("count", [5000, pytest.param(20_000, marks=pytest.mark.slow)])
def test_ids_are_those_of_transformers(
    encode: Callable, python_bpe: PythonBpe, captions: list[str], count: int, tmp_path: Path
) -> None:
    captions = captions[:count]
    (tmp_path / "vocab.json").write_text(json.dumps(python_bpe.vocabulary))
    merges = "\n".join(" ".join(merge) for merge in python_bpe.merges)
    (tmp_path / "merges.txt").write_text(f"#version: 0.2\n{merges}\n")
    peer = CLIPTokenizer.from_pretrained(tmp_path)
    rows = peer(captions, truncation=True, max_length=77)["input_ids"]
    theirs = np.array([row + [0] * (77 - len(row)) for row in rows])
    assert (theirs[:, -1] == 49_407).sum() > 1000  # some were cut
    assert_same(captions, tokenize(encode, captions), theirs)


def test_ids_are_those_of_plain_python(
    encode: Callable, python_bpe: PythonBpe, captions: list[str]
) -> None:
    some = captions[:1000]
    assert_same(some, tokenize(encode, some), python_bpe(some))


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \t ",
        "ΑΣ ΣΑ Σ",  # a final sigma, as Python's lower() knows it
        "İstanbul IŞIK",
        "it'\u017f IT'S it'S",
        "''s !'s rock'n'roll 'tis don't'll",
        "a <|endoftext|> b<|startoftext|>c !<|endoftext|>! <|ENDOFTEXT|> <| endoftext|>",
        "<|mask|> </w> a</w>",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa baaaaab ababababab",
        "!" * 200,
        "ha" * 150,
        "x" * 3000,
        "1234567890" * 20,
        "a\u180eb c\u200bd e\u2028f\x0bg\x85h",
    ],
)
def test_corner_cases_are_those_of_plain_python(
    encode: Callable, python_bpe: PythonBpe, text: str
) -> None:
    assert_same([text], tokenize(encode, [text]), python_bpe([text]))


def test_marks_that_a_caption_spells_out_are_text(encode: Callable) -> None:
    texts = ["a <|endoftext|> b", "<|startoftext|>", "START a END", "a <| endoftext |> b"]
    ids = tokenize(encode, texts)
    for row in ids:
        assert row[0] == 49_406 and (row == 49_406).sum() == (row == 49_407).sum() == 1
    np.testing.assert_array_equal(ids[0], ids[3])


def test_every_letter_of_many_scripts(encode: Callable, python_bpe: PythonBpe) -> None:
    blocks = [
        (0x01, 0x1B),
        (0x20, 0x24F),
        (0x250, 0x588),
        (0x5D0, 0x6FF),
        (0x900, 0x97F),
        (0xE00, 0xE7F),
    ]
    blocks += [(0x10A0, 0x10FF), (0x1E00, 0x218B), (0x3000, 0x30FF), (0xFF00, 0xFFEF)]
    blocks += [(0x4E00, 0x5000), (0xAC00, 0xAD00), (0x10400, 0x1044F), (0x1D400, 0x1D7FF)]
    blocks += [(0x1F300, 0x1F64F), (0x20000, 0x20100)]
    letters = {chr(c) for low, high in blocks for c in range(low, high + 1)}
    letters -= {"\u0345"}  # dropped by `regex` when it ignores case, kept by transformers and us
    texts = [
        f"a{c}b {c}{c}1" for c in sorted(letters) if unicodedata.category(c) not in ("Cn", "Cs")
    ]
    assert_same(texts, tokenize(encode, texts), python_bpe(texts))


def test_the_table_of_known_words_holds_true_encodings(python_bpe: PythonBpe) -> None:
    known = load_bpe()
    assert len(set(known.words)) == len(known.words)
    for word, packed in list(zip(known.words, known.word_ids.tolist(), strict=True))[::20]:
        lanes = [packed >> shift & 0xFFFF for shift in (0, 16, 32, 48)]
        text = word.decode("utf-8", errors="ignore")
        if text.encode("utf-8") == word:
            assert [lane - 1 for lane in lanes if lane] == python_bpe.word(text), word


def test_a_known_word_is_never_more_than_one() -> None:
    words = [word.decode("utf-8", errors="ignore") for word in load_bpe().words]
    whole = [w for w, raw in zip(words, load_bpe().words, strict=True) if w.encode() == raw]
    split = [w for w in whole if PATTERN.findall(w) != [w]]
    assert not "".join(split).strip(), split  # but for single spaces, which no text is split into


@pytest.mark.parametrize(
    "texts",
    [
        ["it's a dog's life...", "", "(2019)", "x"],
        ["plain words only", "caf\u00e9\u2009au lait", "PLAIN \x00 \x1c words\x7f", "it's\u3000it"],
        ["#" * 3 + "cart" * 30 + "'s zyzzyvas, zyzzyvas!", "a zyzzyvas,dog"],
        ["! " * 74, "! " * 75, "! " * 76, "!a" * 37 + "!", "!a" * 38, "a " * 74 + "!!a"],
        ["a " * 74 + "<|endoftext|>", "a " * 75 + "<|startoftext|>", "<|endoftext|>" * 80],
    ],
)
def test_runs_of_words_known_mixed_and_unknown(
    encode: Callable, python_bpe: PythonBpe, texts: list[str]
) -> None:
    expected = [text.replace("\x00", " ") for text in texts]
    assert_same(texts, tokenize(encode, texts), python_bpe(expected))


@pytest.mark.parametrize("length", [3, 4, 8, 77])
def test_truncation_keeps_the_end(python_bpe: PythonBpe, length: int) -> None:
    texts = ["", "a", "a dog", "a quick brown fox jumps over it", "unfathomableness " * 40]
    ours = Tokenizer(context_length=length)(tf.constant(texts))
    assert ours.shape == (5, length)
    assert ours.dtype == tf.int32
    assert_same(texts, ours.numpy(), python_bpe(texts, length))


def test_a_context_without_room_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 3, got 2"):
        Tokenizer(context_length=2)


def test_bytes_that_are_no_utf8_become_replacement_characters(
    tokenizer: Tokenizer, python_bpe: PythonBpe
) -> None:
    raw = [
        b"\xff\xfea dog",
        b"\xe2\x82",
        b"caf\xe9 au lait",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80 x",
    ]
    texts = [r.decode("utf-8", errors="replace") for r in raw]
    assert_same(texts, tokenizer(tf.constant(raw)).numpy(), python_bpe(texts))
    assert_same(["a b"], tokenizer(tf.constant([b"a\x00b"])).numpy(), python_bpe(["a b"]))


def test_an_empty_batch(tokenizer: Tokenizer) -> None:
    assert tokenizer(tf.constant([], tf.string)).shape == (0, 77)


def test_a_caption_does_not_depend_on_its_batch(
    tokenizer: Tokenizer, encode: Callable, captions: list[str]
) -> None:
    some = captions[:40]
    singles = tf.data.Dataset.from_tensor_slices(some).batch(1).map(tokenizer)
    np.testing.assert_array_equal(
        np.concatenate(list(singles.as_numpy_iterator())), tokenize(encode, some)
    )


def test_inside_a_data_set_whose_position_is_saved(
    tokenizer: Tokenizer, python_bpe: PythonBpe, tmp_path: Path
) -> None:
    texts = ["A red bicycle", "zyzzyvas xylographing!", "", "café 42"] * 4
    batches = iter(tf.data.Dataset.from_tensor_slices(texts).batch(4).map(tokenizer))
    np.testing.assert_array_equal(next(batches), python_bpe(texts[:4]))
    path = tf.train.Checkpoint(batches=batches).write(str(tmp_path / "position"))
    rest = list(batches)
    tf.train.Checkpoint(batches=batches).read(path)
    assert len(rest) == len(list(batches)) == 3


def test_the_saved_model_needs_only_tensorflow(
    tokenizer: Tokenizer, encode: Callable, python_bpe: PythonBpe, tmp_path: Path
) -> None:
    exported = tf.Module()
    exported.tokenizer = tokenizer
    exported.encode = encode
    tf.saved_model.save(exported, str(tmp_path / "model"))
    program = (
        "import json, sys, tensorflow as tf\n"
        "sys.modules['clipbench_tf'] = None  # importing it now fails, installed or not\n"
        "model = tf.saved_model.load('model')\n"
        "ids = model.encode(tf.constant([line.strip() for line in sys.stdin]))\n"
        "print(json.dumps(ids.numpy().tolist()))\n"
    )
    texts = ["A photo of a dog.", "floccinaucinihilipilification 7", "", "猫が好き 😺"]
    environment = {"PATH": "/usr/bin:/bin", "PYTHONIOENCODING": "utf-8", "LC_ALL": "tr_TR.UTF-8"}
    run = subprocess.run(  # -P keeps the folder, -I the environment's PYTHONPATH out
        [sys.executable, "-I", "-c", program],
        input="\n".join(texts) + "\n",
        capture_output=True,
        text=True,
        encoding="utf-8",
        cwd=tmp_path,
        env=environment,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    np.testing.assert_array_equal(json.loads(run.stdout), python_bpe(texts))


def test_decode_shows_what_was_said(tokenizer: Tokenizer) -> None:
    texts = ["A photo of a Dog!", "it's 10 café", "", "猫 😺", "zyzzyvas"]
    ids = tokenizer(tf.constant(texts)).numpy()
    shown = ["a photo of a dog !", "it 's 1 0 café", "", "猫 😺", "zyzzyvas"]
    assert tokenizer.decode(ids) == shown
    ids[0, 2] = tokenizer.vocabulary.mask
    assert tokenizer.decode(ids[:1]) == ["a <|mask|> of a dog !"]
    assert tokenizer.vocabulary.size == tokenizer.vocabulary.mask + 1 == 49_409


def test_tokenizers_share_the_tables_that_tensorflow_never_frees(tokenizer: Tokenizer) -> None:
    other, fewer = Tokenizer(context_length=9), Tokenizer(context_length=9, merges=100)
    assert other._words is tokenizer._words and other._merging is tokenizer._merging
    assert fewer._words is not tokenizer._words
