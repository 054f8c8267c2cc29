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
- `score`: those tensors, named image_<name> and class_<name> -> scores [B, C], similarities of
  pictures to texts in [-1, 1].
- `score_texts`: the same tensors -> scores [C, B], similarities of texts to pictures. With the
  cosine they are those of `score`; late interaction has two, sim^I and sim^T of equation 4.
- `image_features`: image, string [B] -> features [B, D], the pooled output of the image tower
  before its projection, for probes; valid, bool [B], as above.
- `align`, of a method that aligns patches and words: described in `alignment.py`.

The first two raise InvalidArgumentError for bytes that are no image, naming their rows. Evaluation
with the method's own scorer uses the others (`saved_encoders.py`). Exports of version 0.3.0 and
before have no `score_texts` and no `image_features`.
"""

from collections.abc import Callable, Sequence

import tensorflow as tf
from tensorflow.types.experimental import ConcreteFunction

from clipbench_tf.evaluation.classifier import Classifier
from clipbench_tf.evaluation.encoders import Representation
from clipbench_tf.evaluation.method_encoders import MethodEncoders
from clipbench_tf.export import alignment
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

    def image_features(image: tf.Tensor) -> dict[str, tf.Tensor]:
        features, valid = encoders.image_features(image)
        return {"features": features, "valid": valid}

    def represent_classes(prompts: tf.Tensor) -> dict[str, tf.Tensor]:
        return encoders.represent_classes(prompts)

    def serving_default(image: tf.Tensor) -> dict[str, tf.Tensor]:
        images = encoders.scorer.images(encoders.images(encoders.pixels(image)))
        scores = [encoders.scorer.score(images, part) for part in classifier.parts]
        logits = encoders.scorer.scale() * tf.concat(scores, axis=1)
        best, order = tf.math.top_k(tf.nn.softmax(logits), k=len(classifier.order))
        return {"scores": best, "classes": tf.gather(names, order)}

    image = tf.TensorSpec([None], tf.string, name="image")
    functions = {
        "serving_default": _concrete(serving_default, image),
        "encode_image": _concrete(encode_image, image),
        "encode_text": _concrete(encode_text, tf.TensorSpec([None], tf.string, name="text")),
        "represent_image": _concrete(represent_image, image),
        "image_features": _concrete(image_features, image),
        "represent_classes": _concrete(
            represent_classes, tf.TensorSpec([None, None], tf.string, name="prompts")
        ),
    }
    return functions | _scores(encoders, functions) | alignment.signatures(encoders)


def _scores(
    encoders: MethodEncoders, functions: dict[str, ConcreteFunction]
) -> dict[str, ConcreteFunction]:
    """`score` and `score_texts`; their inputs are the outputs of the `represent_` signatures."""
    images, classes = (
        dict(functions[name].structured_outputs)
        for name in ("represent_image", "represent_classes")
    )
    images.pop("valid")

    def parts(tensors: Representation) -> tuple[Representation, Representation]:
        image = {name: tensors[IMAGE + name] for name in images}
        return image, {name: tensors[CLASS + name] for name in classes}

    def score(**tensors: tf.Tensor) -> dict[str, tf.Tensor]:
        image, class_ = parts(tensors)
        return {"scores": encoders.scorer.score(image, class_)}

    def score_texts(**tensors: tf.Tensor) -> dict[str, tf.Tensor]:
        image, class_ = parts(tensors)
        return {"scores": encoders.scorer.score_texts(class_, image)}

    specs = {
        prefix + name: tf.TensorSpec(output.shape, output.dtype, name=prefix + name)
        for prefix, outputs in ((IMAGE, images), (CLASS, classes))
        for name, output in outputs.items()
    }
    return {
        "score": tf.function(score).get_concrete_function(**specs),
        "score_texts": tf.function(score_texts).get_concrete_function(**specs),
    }


def _concrete(function: Callable, spec: tf.TensorSpec) -> ConcreteFunction:
    return tf.function(function, autograph=False).get_concrete_function(spec)
