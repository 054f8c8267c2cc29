"""The Python API: use a trained model, or build a method and train it without gin.

Everything here has its own module; this one collects the names that a program needs.
"""

from clipbench_tf.callbacks.metrics_log import MetricsLog
from clipbench_tf.callbacks.tensorboard.tensorboard_log import TensorBoardLog
from clipbench_tf.data.batching import Batching
from clipbench_tf.data.images.image_views import ImageViews, View
from clipbench_tf.data.text import caption_ops
from clipbench_tf.data.text.tokenizer import Tokenizer
from clipbench_tf.evaluation.scorers import cosine, late_interaction
from clipbench_tf.export.exported_model import ExportedModel, load
from clipbench_tf.export.saved_model import export
from clipbench_tf.method import Method
from clipbench_tf.models.modified_resnet import ModifiedResNet
from clipbench_tf.models.text_transformer import TextTransformer
from clipbench_tf.models.vision_transformer import VisionTransformer
from clipbench_tf.objectives.fine_grained import FineGrained
from clipbench_tf.objectives.image_simclr import ImageSimCLR
from clipbench_tf.objectives.image_simsiam import ImageSimSiam
from clipbench_tf.objectives.image_text import ImageText
from clipbench_tf.objectives.multi_view import MultiView
from clipbench_tf.objectives.nearest_neighbor import NearestNeighbor
from clipbench_tf.objectives.text_mlm import TextMLM
from clipbench_tf.optimization.recipe import Recipe

__all__ = [
    "Batching",
    "ExportedModel",
    "FineGrained",
    "ImageSimCLR",
    "ImageSimSiam",
    "ImageText",
    "ImageViews",
    "Method",
    "MetricsLog",
    "ModifiedResNet",
    "MultiView",
    "NearestNeighbor",
    "Recipe",
    "TensorBoardLog",
    "TextMLM",
    "TextTransformer",
    "Tokenizer",
    "View",
    "VisionTransformer",
    "caption_ops",
    "cosine",
    "export",
    "late_interaction",
    "load",
]
