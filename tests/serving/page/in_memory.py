"""A tiny method in memory that answers as a `ServedModel` does, without a SavedModel."""

import asyncio
import functools
from pathlib import Path

import numpy as np
import tensorflow as tf

from clipbench_tf.evaluation.classifier import Classifier
from clipbench_tf.evaluation.method_encoders import MethodEncoders
from clipbench_tf.evaluation.scorers import cosine, late_interaction
from clipbench_tf.export.signatures import SignatureMaker
from clipbench_tf.export.stored_weights import StoredWeights
from clipbench_tf.serving.errors import RequestError, busy
from clipbench_tf.serving.limits import Limits
from clipbench_tf.serving.signatures import Signature, Tensor
from tests.evaluation.samples import NAMES, SIZE, tiny_method

TEMPLATES = ("{}", "a {} thing")
SCORERS = {"cosine": cosine, "late_interaction": late_interaction}


@functools.cache
def encoders_of(scorer: str) -> MethodEncoders:
    """Of the tiny method."""
    method, tokenizer = tiny_method()
    made = SCORERS[scorer](method)
    return MethodEncoders(
        method, tokenizer=tokenizer, scorer=made, image_size=SIZE, resize=1.0, exact=True
    )


def strings(*shape: int | None, default: list | None = None) -> Tensor:
    """An input of strings."""
    return Tensor(tf.string, shape, None if default is None else np.array(default, object))


class InMemory:
    """The face of a `ServedModel` that the application and the page see.

    Attributes:
        asked: signature and inputs of each call.
        delays: seconds that a call takes longer, by a text that is among its inputs.
        failing: errors to raise, one a call, before anything is answered.
        largest: bytes of a picture that are accepted.
    """

    def __init__(self, folder: Path, scorer: str = "cosine", aligns: bool = True) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "saved_model.pb").write_bytes(b"graph")
        self.folder, self.name, self.version = folder, "tiny", 1
        self.state, self.waiting, self.stored, self.limits = "ready", 0, {}, Limits()
        self.ran = lambda signature, rows: None
        self.encoders = encoders_of(scorer)
        self.card = {
            "method": "defilip",
            "dataset": "drawings",
            "classes": len(NAMES),
            "templates": list(TEMPLATES),
            "image_size": SIZE,
            "resize": 1.0,
            "scorer": scorer,
        }
        inputs = {
            "serving_default": {"image": strings(None)},
            "classify": {
                "image": strings(None),
                "classes": strings(None, None),
                "templates": strings(None, default=list(TEMPLATES)),
                "k": Tensor(tf.int32, (), np.array(2)),
            },
            "represent_image": {"image": strings(None)},
            "represent_classes": {"prompts": strings(None, None)},
        }
        if aligns:
            maker = SignatureMaker(self.encoders, StoredWeights(self.encoders.method, "float32"))
            run = maker.of_tokens()["align"]
            self._align = lambda image, text: run(
                tf.constant(image, tf.string), tf.constant(text, tf.string)
            )
            inputs["align"] = {"image": strings(None), "text": strings(None)}
        self.signatures = {name: Signature(name, given, {}) for name, given in inputs.items()}
        self.asked: list[tuple[str, dict]] = []
        self.delays: dict[bytes, float] = {}
        self.failing: list[RequestError] = []
        self.largest = 1 << 30

    def signature(self, name: str) -> Signature:
        return self.signatures[name]

    async def predict(self, signature: str, inputs: dict) -> dict[str, np.ndarray]:
        self.asked.append((signature, inputs))
        if self.failing:
            raise self.failing.pop(0)
        if any(len(picture) > self.largest for picture in inputs.get("image", ())):
            raise RequestError(413, "This picture is too large; send it smaller.")
        texts = {text for value in inputs.values() for text in np.ravel(value)}
        await asyncio.sleep(max([self.delays.get(text, 0.0) for text in texts], default=0.0))
        found = getattr(self, f"_{signature}")(**inputs)
        return {name: np.asarray(value) for name, value in found.items()}

    def calls(self, signature: str) -> int:
        return sum(name == signature for name, _ in self.asked)

    def probabilities(self, image, names, templates) -> np.ndarray:
        """Softmax over `names` at the learnt temperature, float32 [B, C]."""
        images, _ = self.encoders.represent_images(tf.constant(image, tf.string))
        scores = Classifier(self.encoders, names, templates).scores(images)
        return tf.nn.softmax(self.encoders.scorer.scale() * scores).numpy()

    def _represent_image(self, image):
        representation, valid = self.encoders.represent_images(tf.constant(image, tf.string))
        return {**representation, "valid": valid}

    def _represent_classes(self, prompts):
        return self.encoders.represent_classes(tf.constant(prompts, tf.string))

    def _serving_default(self, image):
        return self._classify(image, np.array([[n.encode() for n in NAMES]], object), k=5)

    def _classify(self, image, classes, templates=None, k=2):
        names = [name.decode() for name in classes[0]]
        given = TEMPLATES if templates is None else [text.decode() for text in templates]
        scores = self.probabilities(image, names, given)
        order = np.argsort(-scores, axis=1)[:, :k]
        sorted_names = np.array([n.encode() for n in names], object)[order]
        valid = self._represent_image(image)["valid"]
        return {
            "classes": sorted_names,
            "scores": np.take_along_axis(scores, order, 1),
            "valid": valid,
        }


def overloaded() -> RequestError:
    return busy("256 requests wait for the model; try again later.")
