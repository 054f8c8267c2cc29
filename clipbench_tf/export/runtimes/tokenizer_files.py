"""The tokenizer as transformers and Rust's tokenizers read it."""

import json
from pathlib import Path

from clipbench_tf.data.text import bpe

VOCABULARY, MERGES, CONFIG = "vocab.json", "merges.txt", "tokenizer_config.json"


def write(folder: Path, *, merges: int, context_length: int) -> None:
    """Writes what `transformers.CLIPTokenizer.from_pretrained(folder)` reads.

    It pads with the end's id, as OpenAI's own does. Padding follows the end, so that only a FILIP
    that counts it tells that from zeros.

    Args:
        folder: exists.
        merges: how many of OpenAI's merges the tokenizer applies.
        context_length: its largest number of ids, start and end among them.
    """
    pieces, pairs = bpe.published(merges)
    ids = {piece: number for number, piece in enumerate(pieces)}
    config = {
        "tokenizer_class": "CLIPTokenizer",
        "bos_token": bpe.START,
        "eos_token": bpe.END,
        "unk_token": bpe.END,
        # Not "!", whose id is 0 as that of padding here: every "!" of a text would become padding.
        "pad_token": bpe.END,
        "model_max_length": context_length,
        "do_lower_case": True,
    }
    for name, content in ((VOCABULARY, ids), (CONFIG, config)):
        text = json.dumps(content, indent=2, ensure_ascii=False)
        (folder / name).write_text(text + "\n", encoding="utf-8")
    text = "\n".join(["#version: 0.2", *pairs])
    (folder / MERGES).write_text(text + "\n", encoding="utf-8")
