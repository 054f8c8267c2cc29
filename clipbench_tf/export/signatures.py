"""The signatures of an exported model, by TensorFlow Serving's conventions.

B pictures or texts, E width of the shared space, C classes, T prompts of a class, K answers. All
numbers are float32; pictures are encoded files (JPEG, PNG, ...). `valid` is false for bytes that
are no picture, or one that is too large: they never fail the others. Inputs with a default may be
left out, in gRPC and in `saved_model_cli`; Python calls the function of the same name then, as in
`model.serving_default(image)`.

- `serving_default`: image, string [B]; k, by default 5 or C if that is less -> classes, string
  [B, K], the best first, out of the names that were exported; scores [B, K], their probabilities
  among all C at the learnt temperature; valid, bool [B]. K is k, or C if that is less. Without a
  picture, classes are "" and scores 0.
- `classify`: the same among the names in the request: classes, string [B, C] or [1, C]; templates,
  string [T] or [B, T], by default those of the export. They are taken as they are, since no
  operation of TensorFlow cleans text as `cleaning.clean` does; the server and `ExportedModel` do.
- `classify_represented`: the same among classes that `represent_classes` gave, named as in `score`
  -> indices, int32 [B, K], in place of names, and -1 without a picture.
- `encode_image`: image, string [B] -> embedding [B, E], unit length, or 0; valid.
- `encode_text`: text, string [B] -> embedding [B, E], unit length.
- `represent_image`: image, string [B] -> valid, and the scorer's tensors [B, ...].
- `represent_classes`: prompts, string [C, T] -> the scorer's tensors [C, ...].
- `score`: those tensors, named image_<name> and class_<name> -> scores [B, C], similarities of
  pictures to texts in [-1, 1].
- `score_texts`: the same tensors -> scores [C, B], similarities of texts to pictures. With the
  cosine they are those of `score`; late interaction has two, sim^I and sim^T of equation 4.
- `image_features`: image, string [B] -> features [B, D], the pooled output of the image tower
  before its projection, for probes; valid.
- `align`, of a method that aligns patches and words: described in `alignment.py`.

k is a number, or one for each row, as TensorFlow Serving's row format has it; then K is that of the
largest, and what a row did not ask for is "", -1 or 0.

An export of one tower has the signatures that need no other, and its `encode_` signature once more
as `serving_default`.

Exports of version 0.4.0 and before have no `classify`, no k and no `valid` in the first and in
`encode_image`, which raise InvalidArgumentError; those of 0.3.0 and before have no `score_texts`
and no `image_features`.
"""

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf
from tensorflow.types.experimental import ConcreteFunction

from clipbench_tf.data.images import dimensions
from clipbench_tf.evaluation import pictures
from clipbench_tf.evaluation.classifier import Classifier
from clipbench_tf.evaluation.encoders import Representation
from clipbench_tf.evaluation.method_encoders import MethodEncoders
from clipbench_tf.export import alignment, answers
from clipbench_tf.export.saved_encoders import CLASS, IMAGE
from clipbench_tf.export.stored_weights import StoredWeights
from clipbench_tf.features import ImageFeatures, unit

K = 5  # answers, unless a request says how many

Signatures = dict[str, Any]  # what `tf.function` returns, by name
_Outputs = dict[str, tf.Tensor]

_IMAGE = tf.TensorSpec([None], tf.string, name="image")
_TEXT = tf.TensorSpec([None], tf.string, name="text")
_PROMPTS = tf.TensorSpec([None, None], tf.string, name="prompts")
_K = tf.TensorSpec(None, tf.int32, name="k")


class SignatureMaker:
    """Makes the signatures of `encoders`, which read `weights`; the docstring of the file has them.

    Args:
        encoders: the model.
        weights: of its method.
    """

    def __init__(self, encoders: MethodEncoders, weights: StoredWeights) -> None:
        self._encoders, self._weights = encoders, weights

    # Each tower is traced once for all signatures. As a graph, not as a function of Python, which
    # TensorFlow would trace again when it saves what calls it.

    @functools.cached_property
    def _images(self) -> ConcreteFunction:
        return self._shared(self._pictures, _IMAGE)

    @functools.cached_property
    def _texts(self) -> ConcreteFunction:
        return self._shared(self._encoders.texts, _TEXT)

    def of_images(self) -> Signatures:
        """Those that need the image tower alone."""

        def encode_image(image: tf.Tensor) -> _Outputs:
            features, valid = self._images(image)
            embedding = unit(features.embedding)
            return {"embedding": tf.where(valid[:, tf.newaxis], embedding, 0.0), "valid": valid}

        def represent_image(image: tf.Tensor) -> _Outputs:
            representation, valid = self._represent_images(image)
            return representation | {"valid": valid}

        def image_features(image: tf.Tensor) -> _Outputs:
            features, valid = self._images(image)
            return {"features": tf.cast(features.pooled, tf.float32), "valid": valid}

        functions = (encode_image, represent_image, image_features)
        return {f.__name__: self._traced(f, [_IMAGE]) for f in functions}

    def of_texts(self) -> Signatures:
        """Those that need the text tower alone."""

        def encode_text(text: tf.Tensor) -> _Outputs:
            return {"embedding": unit(self._texts(text).embedding)}

        def represent_classes(prompts: tf.Tensor) -> _Outputs:
            return self._represent_classes(prompts)

        return {
            "encode_text": self._traced(encode_text, [_TEXT]),
            "represent_classes": self._traced(represent_classes, [_PROMPTS]),
        }

    def of_both(
        self, classifier: Classifier, classes: Sequence[str], templates: Sequence[str]
    ) -> Signatures:
        """Those that need both towers.

        Args:
            classifier: that `serving_default` answers by.
            classes: the class names of `classifier`.
            templates: the default of `classify`.
        """
        scorer = self._encoders.scorer
        names = tf.constant([classes[i] for i in classifier.order])

        def serving_default(image: tf.Tensor, k: tf.Tensor) -> _Outputs:
            images, valid = self._represent_images(image)
            scores = tf.concat([scorer.score(images, part) for part in classifier.parts], axis=1)
            places, scores, shown = answers.best(scores, scorer.scale(), k, valid)
            found = answers.named(names, places, shown)
            return {"classes": found, "scores": scores, "valid": valid}

        def classify(
            image: tf.Tensor, classes: tf.Tensor, templates: tf.Tensor, k: tf.Tensor
        ) -> _Outputs:
            images, valid = self._represent_images(image)
            every, scores = answers.scores_of_names(
                classes,
                templates,
                lambda prompts: scorer.score(images, self._represent_classes(prompts)),
                tf.size(valid),
            )
            places, scores, shown = answers.best(scores, scorer.scale(), k, valid)
            found = answers.named(every, places, shown)
            return {"classes": found, "scores": scores, "valid": valid}

        asked = [
            _IMAGE,
            tf.TensorSpec([None, None], tf.string, name="classes"),
            tf.TensorSpec(None, tf.string, name="templates"),
            _K,
        ]
        few = tf.constant(min(K, len(names)))
        prompts = {"templates": tf.constant(list(templates)), "k": tf.constant(K)}
        return {
            "serving_default": self._traced(serving_default, [_IMAGE, _K], {"k": few}),
            "classify": self._traced(classify, asked, prompts),
        }

    def of_scores(self, images: Representation, classes: Representation) -> Signatures:
        """Those that compare what the `represent_` signatures gave.

        Args:
            images, classes: their outputs, of which the shapes and types count.
        """
        scorer = self._encoders.scorer
        image_specs, class_specs = _specs(IMAGE, images), _specs(CLASS, classes)

        def score(**tensors: tf.Tensor) -> _Outputs:
            return {"scores": scorer.score(_part(IMAGE, tensors), _part(CLASS, tensors))}

        def score_texts(**tensors: tf.Tensor) -> _Outputs:
            return {"scores": scorer.score_texts(_part(CLASS, tensors), _part(IMAGE, tensors))}

        def classify_represented(image: tf.Tensor, k: tf.Tensor, **tensors: tf.Tensor) -> _Outputs:
            pictures, valid = self._represent_images(image)
            scores = scorer.score(pictures, _part(CLASS, tensors))
            places, scores, shown = answers.best(scores, scorer.scale(), k, valid)
            return {"indices": tf.where(shown, places, -1), "scores": scores, "valid": valid}

        return {
            "score": self._traced(score, [*image_specs, *class_specs]),
            "score_texts": self._traced(score_texts, [*image_specs, *class_specs]),
            "classify_represented": self._traced(
                classify_represented, [_IMAGE, *class_specs, _K], {"k": tf.constant(K)}
            ),
        }

    def of_tokens(self) -> Signatures:
        """`align`, if the method aligns patches and words."""
        return alignment.signatures(self._encoders, self._images, self._texts, self._traced)

    def _pictures(self, image: tf.Tensor) -> tuple[ImageFeatures, tf.Tensor]:
        encoders = self._encoders
        pixels, valid = pictures.decode(
            image,
            encoders.image_size,
            encoders.resize,
            encoders.interpolation,
            largest=dimensions.LARGEST,
        )
        return encoders.images(pixels), valid

    def _represent_images(self, image: tf.Tensor) -> tuple[Representation, tf.Tensor]:
        features, valid = self._images(image)
        return self._encoders.scorer.images(features), valid

    def _represent_classes(self, prompts: tf.Tensor) -> Representation:
        features = self._texts(tf.reshape(prompts, [-1]))
        return self._encoders.classes(features, prompts)

    def _shared(self, function: Callable[..., Any], spec: tf.TensorSpec) -> ConcreteFunction:
        """A graph that signatures call."""

        def within(given: tf.Tensor) -> Any:
            with self._weights.read(), self._encoders.precision():
                return function(given)

        return tf.function(within, autograph=False).get_concrete_function(spec)

    def _traced(
        self,
        function: Callable[..., _Outputs],
        specs: Sequence[tf.TensorSpec],
        defaults: Mapping[str, tf.Tensor] | None = None,
    ) -> Any:
        """A `tf.function` with parameters named as `specs`; the last ones may have `defaults`.

        TensorFlow saves a default as that of the signature if it is a tensor.
        """
        missing = inspect.Parameter.empty
        signature = inspect.Signature(
            [
                inspect.Parameter(
                    spec.name,
                    inspect.Parameter.POSITIONAL_OR_KEYWORD,
                    default=(defaults or {}).get(spec.name, missing),
                )
                for spec in specs
            ]
        )

        def named(*values: tf.Tensor, **tensors: tf.Tensor) -> _Outputs:
            given = signature.bind(*values, **tensors).arguments
            with self._weights.read(), self._encoders.precision():
                return function(**given)

        named.__name__ = function.__name__
        named.__signature__ = signature  # type: ignore[attr-defined]  # what tf.function reads
        made = tf.function(named, input_signature=list(specs), autograph=False)
        made.get_concrete_function()
        return made


def _part(prefix: str, tensors: Mapping[str, tf.Tensor]) -> Representation:
    """Those whose name begins with `prefix`, without it."""
    return {n.removeprefix(prefix): v for n, v in tensors.items() if n.startswith(prefix)}


def _specs(prefix: str, outputs: Representation) -> list[tf.TensorSpec]:
    return [
        tf.TensorSpec(output.shape, output.dtype, name=prefix + name)
        for name, output in outputs.items()
    ]
