"""Zero-shot classifier and classification with transformers' CLIP."""

import torch

from clipbench_tf.benchmarks.harness.job import Job
from clipbench_tf.benchmarks.peers import clip, tensors
from clipbench_tf.benchmarks.peers.tokenizer import PythonTokenizer
from clipbench_tf.benchmarks.samples.captions import class_names, templates
from clipbench_tf.data.text.vocabulary import END_ID, PAD_ID

_BATCH = 64


def classifier(classes: int, precision: str) -> Job:
    """Encodes all prompts of the first `classes` classes, one class at a time."""
    model, tokenizer = clip.model().eval(), PythonTokenizer()
    batches = []
    for name in class_names()[:classes]:
        rows = tokenizer([template.replace("{}", name) for template in templates()])
        ids = torch.from_numpy(rows).long()
        ids[ids == PAD_ID] = END_ID  # CLIP's tokenizer in transformers pads with the end token
        batches.append(ids)

    @torch.inference_mode()
    def run() -> None:
        for ids in batches:
            with tensors.autocast(precision):
                pooled = model.text_model(input_ids=ids).pooler_output
                embeddings = model.text_projection(pooled)
            embeddings = torch.nn.functional.normalize(embeddings.float(), dim=-1)
            torch.nn.functional.normalize(embeddings.mean(dim=0), dim=-1)

    return Job(run)


def classification(images: int, classes: int, precision: str) -> Job:
    """Encodes normalised pictures and scores them against `classes` random class vectors."""
    model = clip.model().eval()
    batches = tensors.pixels(images).split(_BATCH)
    names = torch.nn.functional.normalize(torch.randn(classes, model.config.projection_dim), dim=-1)

    @torch.inference_mode()
    def run() -> None:
        for pixels in batches:
            with tensors.autocast(precision):
                pooled = model.vision_model(pixel_values=pixels).pooler_output
                embeddings = model.visual_projection(pooled)
            torch.nn.functional.normalize(embeddings.float(), dim=-1) @ names.T

    return Job(run)
