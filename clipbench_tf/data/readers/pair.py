"""One image-text pair, and the record that it travels as: a serialised tf.train.Example."""

import dataclasses

import tensorflow as tf
from google.protobuf.message import DecodeError

FEATURES = {
    "key": tf.io.FixedLenFeature([], tf.string),
    "image": tf.io.FixedLenFeature([], tf.string),
    "captions": tf.io.RaggedFeature(tf.string),
    "label": tf.io.FixedLenFeature([], tf.int64, default_value=-1),
    "problem": tf.io.FixedLenFeature([], tf.string, default_value=""),
}


@dataclasses.dataclass(frozen=True)
class Pair:
    """A picture with its captions, or what is known of one that cannot be read.

    Attributes:
        key: a name, for messages and to tell pairs apart.
        image: encoded picture; empty where there is none.
        captions: one or more, as found.
        label: number of the class, or -1.
        problem: why this is no pair, in a few fixed words such as "no caption"; "" if it is one.
    """

    key: str
    image: bytes = b""
    captions: tuple[str, ...] = ()
    label: int = -1
    problem: str = ""

    def serialize(self) -> bytes:
        """The record: features `key`, `image`, `captions`, `label`, and `problem` where one is."""
        example = tf.train.Example()
        feature = example.features.feature
        feature["key"].bytes_list.value.append(_encoded(self.key))
        feature["image"].bytes_list.value.append(b"" if self.problem else self.image)
        feature["captions"].bytes_list.value.extend(map(_encoded, self.captions))
        feature["label"].int64_list.value.append(self.label)
        if self.problem:
            feature["problem"].bytes_list.value.append(_encoded(self.problem))
        return bytes(example.SerializeToString(deterministic=True))

    @classmethod
    def of(cls, record: bytes) -> "Pair":
        """The pair in a record; a record that is none has the `problem` "damaged record"."""
        try:
            feature = tf.train.Example.FromString(record).features.feature
            values = {name: feature[name].bytes_list.value for name in ("key", "image")}
            label = feature["label"].int64_list.value if "label" in feature else [-1]
            problem = feature["problem"].bytes_list.value if "problem" in feature else [b""]
            return cls(
                _decoded(values["key"][0]),
                values["image"][0],
                tuple(map(_decoded, feature["captions"].bytes_list.value)),
                label[0],
                _decoded(problem[0]),
            )
        except (DecodeError, ValueError, IndexError, TypeError):
            return NO_PAIR


NO_PAIR = Pair(key="?", problem="damaged record")  # what `Pair.of` makes of other records


def parse(record: tf.Tensor) -> dict[str, tf.Tensor]:
    """In graph: one record -> key, image, captions [C], label, problem.

    A pair with a problem has no image.

    Errors: the op raises InvalidArgumentError if `record` is no such Example.
    """
    return tf.io.parse_single_example(record, FEATURES)


def _encoded(text: str) -> bytes:
    """UTF-8; what cannot be encoded (half of a surrogate pair) becomes a question mark."""
    return text.encode("utf-8", "replace")


def _decoded(text: bytes) -> str:
    return text.decode("utf-8", "backslashreplace")
