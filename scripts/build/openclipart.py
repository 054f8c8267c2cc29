"""Builds the openclipart data set: python scripts/build/openclipart.py --output=data/openclipart

pip install '.[data]', on Debian 12 (apt-get and dpkg-deb fetch the drawings; nothing is installed)
"""

import sys
from pathlib import Path

from absl import app, flags

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # runs from a bare checkout too

from clipbench_tf.data.openclipart import builder
from clipbench_tf.data.readers.dataset import DatasetError

FLAGS = flags.FLAGS
flags.DEFINE_string("output", "data/openclipart", "Folder to write the data set to.")
flags.DEFINE_integer("size", builder.SIZE, "Longer side of the pictures, in pixels.", 1)
EVERY = 250  # drawings between two lines of progress


def main(_: list[str]) -> None:
    """Builds the data set, or says that it is there."""
    try:
        made = builder.build(Path(FLAGS.output).resolve(), size=FLAGS.size, progress=show)
    except DatasetError as error:
        raise SystemExit(f"Error: {error}") from error
    splits = ", ".join(f"{made[split]} {split}" for split in ("train", "validation", "test"))
    print(f"{made['entries']} entries: {splits}, in {len(made['classes'])} classes")
    for reason, count in made["dropped"].items():
        print(f"  {count} left out: {reason}")


def show(done: int, total: int) -> None:
    """Prints how many drawings are done, now and then."""
    if done % EVERY == 0 or done == total:
        print(f"{done} of {total} drawings", flush=True)


if __name__ == "__main__":
    app.run(main)
