"""Uses exports with TensorFlow alone: `python stranger.py REQUEST FOLDER ...` prints JSON.

Run as a program by the tests, not imported.
"""

import base64
import importlib.abc
import json
import sys


class Absent(importlib.abc.MetaPathFinder):
    """Makes packages look as if they were not installed."""

    NAMES = ("clipbench_tf", "tensorflow_text", "gin")

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in self.NAMES:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


sys.meta_path.insert(0, Absent())

import tensorflow as tf  # noqa: E402
from tensorflow.core.protobuf import saved_model_pb2  # noqa: E402
from tensorflow.python.framework import op_def_registry  # noqa: E402

request, folders = json.loads(sys.argv[1]), sys.argv[2:]
images = [base64.b64decode(image) for image in request["images"]]


def ask(folder: str) -> dict:
    """The outputs, signatures and ops of the export in `folder`."""
    model = tf.saved_model.load(folder)
    run = model.signatures

    with open(f"{folder}/saved_model.pb", "rb") as file:
        saved = saved_model_pb2.SavedModel.FromString(file.read())
    graph = saved.meta_graphs[0].graph_def
    nodes = [*graph.node, *(n for f in graph.library.function for n in f.node_def)]
    functions = {f.signature.name for f in graph.library.function}
    ops = {node.op for node in nodes} - functions

    texts = run["encode_text"](text=tf.constant(request["texts"]))
    five = tf.constant(5)
    served = run["serving_default"](image=tf.constant(images), k=five)
    mixed = tf.constant([images[0], b"no image", images[1]])
    bad = run["serving_default"](image=mixed, k=five)
    bad_embedding = run["encode_image"](image=mixed)
    none = tf.constant([], tf.string)
    return {
        "modules": sorted(name for name in Absent.NAMES if name in sys.modules),
        "ops": sorted(ops),
        "not_core": sorted(op for op in ops if op_def_registry.get(op) is None),
        "signatures": {
            name: {
                "inputs": {k: v.dtype.name for k, v in f.structured_input_signature[1].items()},
                "outputs": {k: v.dtype.name for k, v in f.structured_outputs.items()},
            }
            for name, f in run.items()
        },
        "image": run["encode_image"](image=tf.constant(images))["embedding"].numpy().tolist(),
        "text": texts["embedding"].numpy().tolist(),
        "scores": served["scores"].numpy().tolist(),
        "classes": [[name.decode() for name in row] for row in served["classes"].numpy()],
        "one": run["serving_default"](image=tf.constant(images[:1]), k=five)["scores"]
        .numpy()
        .tolist(),
        "empty": [
            list(run["encode_image"](image=none)["embedding"].shape),
            list(run["encode_text"](text=none)["embedding"].shape),
            list(run["serving_default"](image=none, k=five)["scores"].shape),
            list(run["serving_default"](image=none, k=five)["classes"].shape),
        ],
        "bad": [bad["valid"].numpy().tolist(), bad["scores"].numpy().tolist()],
        "bad_embedding": [
            bad_embedding["valid"].numpy().tolist(),
            bad_embedding["embedding"].numpy().tolist(),
        ],
        "without_k": model.serving_default(tf.constant(images))["scores"].numpy().tolist(),
    }


print("ANSWER", json.dumps([ask(folder) for folder in folders]))
