"""Builds the list of English words from SCOWL's, or verifies it.

apt-get install wamerican wbritish
"""

import gzip
from pathlib import Path

from absl import app, flags

from clipbench_tf.data.text import english

SHIPPED = Path(english.__file__).with_name(english.WORDS_FILE)

FLAGS = flags.FLAGS
flags.DEFINE_list(
    "lists",
    ["/usr/share/dict/american-english", "/usr/share/dict/british-english"],
    "The lists of Debian's packages wamerican and wbritish 2020.12.07.",
)
flags.register_validator(
    "lists", lambda paths: all(Path(path).is_file() for path in paths), "No such file."
)
flags.DEFINE_bool("verify", False, "Write nothing: compare with what is shipped.")


def main(_: list[str]) -> None:
    """Builds the list; with --verify, compares it with the shipped one."""
    texts = [Path(path).read_text(encoding="utf-8") for path in FLAGS.lists]
    words = english.word_list(line for text in texts for line in text.splitlines())
    print(f"{len(words)} words")
    content = "\n".join(words).encode()
    if not FLAGS.verify:
        SHIPPED.write_bytes(gzip.compress(content, mtime=0))
    elif gzip.decompress(SHIPPED.read_bytes()) == content:
        print(f"verified: {SHIPPED.name}")
    else:
        raise SystemExit(f"differs from what is shipped: {SHIPPED.name}")


if __name__ == "__main__":
    app.run(main)
