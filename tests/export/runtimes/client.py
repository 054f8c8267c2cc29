"""What an engineer writes who has ONNX Runtime and the written files, but no TensorFlow.

`python client.py FOLDER CLASSES PICTURE ...` prints the probabilities of the classes, and
which modules it should not have (JSON). Run as
a program by the tests, not imported.
"""

import json
import sys

import numpy as np
import onnxruntime
from PIL import Image, ImageOps
from transformers import CLIPTokenizer

folder, classes, paths = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3:]
with open(f"{folder}/usage.json", encoding="utf-8") as file:
    usage = json.load(file)


def pixels(path: str) -> np.ndarray:
    """uint8 [H, W, 3]."""
    picture = ImageOps.exif_transpose(Image.open(path)).convert("RGBA")
    white = Image.new("RGBA", picture.size, "white")
    picture = Image.alpha_composite(white, picture).convert("RGB")
    how, side = usage["image"]["resize"], usage["image"]["crop"]["size"]
    short = min(picture.size)
    size = [how["shorter_side"] * length // short for length in picture.size]
    picture = picture.resize(size, getattr(Image.Resampling, how["interpolation"].upper()))
    left, top = (round((length - side) / 2) for length in size)
    return np.asarray(picture.crop((left, top, left + side, top + side)))


def run(part: str, inputs: np.ndarray) -> dict[str, np.ndarray]:
    """The outputs of a tower by name."""
    session = onnxruntime.InferenceSession(f"{folder}/{usage[part]['file']}")
    names = [output.name for output in session.get_outputs()]
    values = session.run(names, {usage[part]["input"]["name"]: inputs})
    return dict(zip(names, values, strict=True))


def ids(texts: list[str]) -> np.ndarray:
    """int32 [N, L]."""
    tokenizer = CLIPTokenizer.from_pretrained(folder)
    length, pad = usage["text"]["context_length"], usage["text"]["pad"]
    rows = tokenizer(texts, truncation=True, max_length=length)["input_ids"]
    return np.array([row + [pad] * (length - len(row)) for row in rows], np.int32)


def cosine(image: dict, text: dict, prompts: int) -> np.ndarray:
    """[B, C]."""
    mean = text["embedding"].reshape(len(classes), prompts, -1).mean(axis=1)
    return image["embedding"] @ (mean / np.linalg.norm(mean, axis=1, keepdims=True)).T


def late_interaction(image: dict, text: dict, prompts: int) -> np.ndarray:
    """[B, C]."""
    scores = np.zeros([len(image["tokens"]), len(classes) * prompts])
    for row, patches in enumerate(image["tokens"]):
        for column, (words, mask) in enumerate(zip(text["tokens"], text["mask"], strict=True)):
            if mask.any():
                scores[row, column] = (patches @ words[mask].T).max(axis=1).mean()
    return scores.reshape(len(image["tokens"]), len(classes), prompts).mean(axis=2)


rule = usage["scores"]
prompts = [t.replace("{}", name) for name in classes for t in rule["templates"]]
image = run("image", np.stack([pixels(path) for path in paths]))
scorer = {"cosine": cosine, "late_interaction": late_interaction}[rule["by"]]
scores = scorer(image, run("text", ids(prompts)), len(rule["templates"]))
powers = np.exp(scores / rule["temperature"])
answer = {
    "probabilities": (powers / powers.sum(axis=1, keepdims=True)).tolist(),
    "modules": [m for m in ("clipbench_tf", "tensorflow", "keras") if m in sys.modules],
}
print("ANSWER", json.dumps(answer))
