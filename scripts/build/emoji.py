"""Builds the embedded emoji data set from its npm packages, or verifies the shipped bytes."""

import json
import tempfile
from pathlib import Path

from absl import app, flags

from clipbench_tf.data.emoji.build import builder, writer

SHIPPED = Path(builder.__file__).resolve().parents[1]

FLAGS = flags.FLAGS
flags.DEFINE_string("output", str(SHIPPED), "Folder to write the data set to.")
flags.DEFINE_string("packages", None, "Folder that keeps the npm packages; default: a new one.")
flags.DEFINE_bool("verify", False, "Rebuild elsewhere and compare with the shipped checksums.")


def main(_: list[str]) -> None:
    """Builds the data set; with --verify, elsewhere, and compares."""
    with tempfile.TemporaryDirectory() as scratch:
        packages = Path(FLAGS.packages or scratch).resolve()
        packages.mkdir(parents=True, exist_ok=True)
        made = builder.plan(packages)
        print(builder.summary(made))
        output = Path(scratch) / "rebuilt" if FLAGS.verify else Path(FLAGS.output)
        output.mkdir(parents=True, exist_ok=True)
        builder.write(made, output)
        if FLAGS.verify:
            rebuilt = json.loads((output / "checksums.json").read_text(encoding="utf-8"))
            shipped = json.loads((SHIPPED / "checksums.json").read_text(encoding="utf-8"))
            names = rebuilt.keys() | shipped.keys()
            wrong = sorted(name for name in names if rebuilt.get(name) != shipped.get(name))
            wrong += [n for n, s in writer.checksums(SHIPPED, shipped).items() if s != shipped[n]]
            if wrong:
                raise SystemExit(f"differs from what is shipped: {', '.join(wrong)}")
            print(f"verified: {len(shipped)} files, byte for byte")


if __name__ == "__main__":
    app.run(main)
