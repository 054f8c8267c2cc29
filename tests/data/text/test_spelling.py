"""What pieces spell in graph is what tokenizers decode them to."""

import numpy as np
import pytest
import tensorflow as tf

from clipbench_tf.data.text.hub_tokenizer import HubTokenizer
from clipbench_tf.data.text.tokenizer import Tokenizer
from tests.models.hub_presets import preset

TEXTS = ["a red cat", "Unquestionably naïve 漢字!", ""]


def own():
    return Tokenizer(context_length=20, merges=1000)


def hub(name):
    return lambda: HubTokenizer(preset=preset(name), context_length=12)


@pytest.mark.parametrize(
    "make",
    [own, hub("bert"), hub("siglip"), hub("clip")],
    ids=["own", "bert", "siglip", "clip"],
)
def test_pieces_spell_in_graph_what_they_are_decoded_to(make):
    tokenizer = make()
    known = tokenizer.vocabulary
    rows = []
    for ids in np.asarray(tokenizer(tf.constant(TEXTS))).tolist():
        # Of an unknown word, `decode` shows nothing.
        low, high = known.ordinary
        content = [i for i in ids[: ids.index(known.end)] if low <= i < high]
        rows += [content[:n] for n in range(1, len(content) + 1)]
    spell = tf.function(tokenizer.spell, autograph=False)
    found = spell(tf.ragged.constant([*rows, []], tf.int32)).numpy()
    assert [text.decode().strip() for text in found[:-1]] == [
        text.strip() for text in tokenizer.decode(rows)
    ]
    assert found[-1] == b"" and len(rows) >= 3
