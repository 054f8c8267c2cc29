import numpy as np
import pytest
import tensorflow as tf
from transformers import CLIPTokenizer

from clipbench_tf.data.text.tokenizer import Tokenizer
from clipbench_tf.export.runtimes import tokenizer_files

TEXTS = [
    "a photo of a Dog, isn't it?",
    "Stop! It's o'clock!",
    "1984 naïve cafés — 犬 and 🐶!!",
    "",
    "a caption that has many more words than there is room for in twelve tokens",
]


@pytest.mark.parametrize("merges", [48_894, 500])
def test_transformers_makes_the_same_ids_of_them(tmp_path, merges):
    tokenizer_files.write(tmp_path, merges=merges, context_length=12)
    theirs = CLIPTokenizer.from_pretrained(tmp_path)
    rows = theirs(TEXTS, truncation=True)["input_ids"]
    ours = Tokenizer(context_length=12, merges=merges)(tf.constant(TEXTS)).numpy()
    for row, expected in zip(rows, ours, strict=True):
        np.testing.assert_array_equal(row + [0] * (12 - len(row)), expected)
    padded = np.array(theirs(TEXTS, padding="max_length", truncation=True)["input_ids"])
    end = 512 + merges + 1
    np.testing.assert_array_equal(padded, np.where(ours == 0, end, ours))
