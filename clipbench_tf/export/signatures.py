"""The signatures of an exported model.

B pictures or texts, E width of the shared space, C classes, T prompts of a class. All numbers
are float32; pictures are encoded files (JPEG, PNG, ...).

- `serving_default`: image, string [B] -> scores [B, C], the probabilities of the classes at the
  learnt temperature, highest first; classes, string [B, C], their names in the same order, so
  that classes[:, 0] is the answer.
- `encode_image`: image, string [B] -> embedding [B, E], unit length.
- `encode_text`: text, string [B] -> embedding [B, E], unit length.
- `represent_image`: image, string [B] -> valid, bool [B], false where the bytes are no image, and
  the scorer's tensors [B, ...].
- `represent_classes`: prompts, string [C, T] -> the scorer's tensors [C, ...].
- `score`: those tensors, named image_<name> and class_<name> -> scores [B, C], similarities in
  [-1, 1].

The first two raise InvalidArgumentError for bytes that are no image, naming their rows. Zero-shot
evaluation with the method's own scorer uses the last three (`saved_encoders.py`).
"""

from collections.abc import Callable, Sequence

import tensorflow as tf
from tensorflow.types.experimental import ConcreteFunction

from clipbench_tf.evaluation.method_encoders import MethodEncoders
from clipbench_tf.evaluation.zero_shot import Classifier
from clipbench_tf.export.saved_encoders import CLASS, IMAGE
from clipbench_tf.features import unit


def signatures(
    encoders: MethodEncoders, classifier: Classifier, classes: Sequence[str]
) -> dict[str, ConcreteFunction]:
    """The concrete function of each signature; `classes` are the class names of `classifier`."""
    names = tf.constant([classes[i] for i in classifier.order])

    def encode_image(image: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"embedding": unit(encoders.images(encoders.pixels(image)).embedding)}

    def encode_text(text: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"embedding": unit(encoders.texts(text).embedding)}

    def represent_image(image: tf.Tensor) -> dict[str, tf.Tensor]:
        representation, valid = encoders.represent_images(image)
        return representation | {"valid": valid}

    def represent_classes(prompts: tf.Tensor) -> dict[str, tf.Tensor]:
        return encoders.represent_classes(prompts)

    def serving_default(image: tf.Tensor) -> dict[str, tf.Tensor]:
        images = encoders.scorer.images(encoders.images(encoders.pixels(image)))
        scores = [encoders.scorer.score(images, part) for part in classifier.parts]
        logits = encoders.scorer.scale() * tf.concat(scores, axis=1)
        best, order = tf.math.top_k(tf.nn.softmax(logits), k=len(classes))
        return {"scores": best, "classes": tf.gather(names, order)}

    image = tf.TensorSpec([None], tf.string, name="image")
    functions = {
        "serving_default": _concrete(serving_default, image),
        "encode_image": _concrete(encode_image, image),
        "encode_text": _concrete(encode_text, tf.TensorSpec([None], tf.string, name="text")),
        "represent_image": _concrete(represent_image, image),
        "represent_classes": _concrete(
            represent_classes, tf.TensorSpec([None, None], tf.string, name="prompts")
        ),
    }
    return functions | {"score": _score(encoders, functions)}


def _score(encoders: MethodEncoders, functions: dict[str, ConcreteFunction]) -> ConcreteFunction:
    """The signature `score`; its inputs are the outputs of the two `represent_` signatures."""
    images, classes = (
        dict(functions[name].structured_outputs)
        for name in ("represent_image", "represent_classes")
    )
    images.pop("valid")

    def score(**tensors: tf.Tensor) -> dict[str, tf.Tensor]:
        image = {name: tensors[IMAGE + name] for name in images}
        class_ = {name: tensors[CLASS + name] for name in classes}
        return {"scores": encoders.scorer.score(image, class_)}

    specs = {
        prefix + name: tf.TensorSpec(output.shape, output.dtype, name=prefix + name)
        for prefix, outputs in ((IMAGE, images), (CLASS, classes))
        for name, output in outputs.items()
    }
    return tf.function(score).get_concrete_function(**specs)


def _concrete(function: Callable, spec: tf.TensorSpec) -> ConcreteFunction:
    return tf.function(function, autograph=False).get_concrete_function(spec)
