"""Tiny KerasHub presets on disk, of random weights, as `save_to_preset` writes them."""

import functools
import io
import tempfile
from pathlib import Path

WORDS = "[PAD] [UNK] [CLS] [SEP] [MASK] a an the of emoji drawing icon picture cartoon red cat dog"
SIZE, LENGTH = 32, 12
SHAPE = (SIZE, SIZE, 3)
SIZES = {"num_layers": 1, "num_heads": 2, "hidden_dim": 8}


def bindings() -> list[str]:
    """What binds gin/hub_lit.gin to presets that are here."""
    return [
        f"HUB_IMAGE = '{preset('vit')}'",
        f"HUB_TEXT = '{preset('bert')}'",
        f"IMAGE_SIZE = {SIZE}",
        f"CONTEXT_LENGTH = {LENGTH}",
        "EMBED_DIM = 8",
    ]


@functools.cache
def preset(name: str) -> str:
    """The folder of a preset, made once in a process."""
    folder = Path(tempfile.mkdtemp(prefix="presets")) / name
    for member in _members(name):
        member.save_to_preset(str(folder))
    return str(folder)


def _members(name: str) -> list:
    """Backbone, and image converter or tokenizer."""
    import keras_hub

    makers = {}
    for group in (_image_towers, _text_towers, _pairs_of_towers):
        makers |= group(keras_hub.models, keras_hub.layers)
    return makers[name]()


def _image_towers(models, layers) -> dict:
    return {
        "vit": lambda: [
            models.ViTBackbone(image_shape=SHAPE, patch_size=16, mlp_dim=16, **SIZES),
            layers.ViTImageConverter(
                image_size=SHAPE[:2], scale=[1 / 127.5] * 3, offset=[-1.0, -0.5, 0.0]
            ),
        ],
        "resnet": lambda: [
            models.ResNetBackbone(
                input_conv_filters=[64],
                input_conv_kernel_sizes=[3],
                stackwise_num_filters=[64],
                stackwise_num_blocks=[1],
                stackwise_num_strides=[1],
                block_type="basic_block",
            ),
            layers.ResNetImageConverter(image_size=SHAPE[:2], scale=1 / 255),
        ],
        "deit": lambda: [
            models.DeiTBackbone(image_shape=SHAPE, patch_size=16, intermediate_dim=16, **SIZES),
            layers.DeiTImageConverter(image_size=SHAPE[:2], scale=1 / 255),
        ],
        "dinov2": lambda: [
            models.DINOV2Backbone(
                image_shape=SHAPE,
                patch_size=16,
                intermediate_dim=16,
                num_register_tokens=2,
                position_embedding_shape=SHAPE,
                **SIZES,
            ),
            layers.DINOV2ImageConverter(image_size=SHAPE[:2], scale=1 / 255),
        ],
        "swin": lambda: [
            models.SwinTransformerBackbone(
                image_shape=SHAPE, embed_dim=8, depths=[1, 1], num_heads=[2, 2], window_size=4
            ),
            layers.SwinTransformerImageConverter(image_size=SHAPE[:2], scale=1 / 255),
        ],
    }


def _text_towers(models, layers) -> dict:
    words = WORDS.split()
    return {
        "bert": lambda: [
            models.BertBackbone(
                vocabulary_size=len(words), intermediate_dim=16, max_sequence_length=16, **SIZES
            ),
            models.BertTokenizer(vocabulary=words, lowercase=True),
        ],
        "distil_bert": lambda: [
            models.DistilBertBackbone(
                vocabulary_size=len(words), intermediate_dim=16, max_sequence_length=16, **SIZES
            ),
            models.DistilBertTokenizer(vocabulary=words, lowercase=True),
        ],
        "gpt2": lambda: [
            models.GPT2Backbone(
                vocabulary_size=258, intermediate_dim=16, max_sequence_length=16, **SIZES
            ),
            models.GPT2Tokenizer(
                vocabulary=_byte_pairs("<|endoftext|>"), merges=["a t</w>", "c at</w>"]
            ),
        ],
    }


def _pairs_of_towers(models, layers) -> dict:
    return {
        "siglip": lambda: [
            models.SigLIPBackbone(
                models.SigLIPVisionEncoder(
                    patch_size=16, intermediate_dim=16, image_shape=SHAPE, **SIZES
                ),
                models.SigLIPTextEncoder(
                    vocabulary_size=40,
                    embedding_dim=8,
                    intermediate_dim=16,
                    max_sequence_length=16,
                    **SIZES,
                ),
            ),
            layers.SigLIPImageConverter(image_size=SHAPE[:2], scale=1 / 127.5, offset=-1.0),
            models.SigLIPTokenizer(proto=_sentence_pieces()),
        ],
        "clip": lambda: [
            models.CLIPBackbone(
                models.CLIPVisionEncoder(
                    patch_size=16, intermediate_dim=16, image_shape=SHAPE, **SIZES
                ),
                models.CLIPTextEncoder(
                    vocabulary_size=len(_byte_pairs()),
                    embedding_dim=8,
                    intermediate_dim=16,
                    max_sequence_length=16,
                    **SIZES,
                ),
                projection_dim=8,
            ),
            layers.CLIPImageConverter(image_size=SHAPE[:2], scale=1 / 70.0, offset=-1.8),
            models.CLIPTokenizer(vocabulary=_byte_pairs(), merges=["a t</w>", "c at</w>"]),
        ],
    }


def _byte_pairs(*special: str) -> dict[str, int]:
    """A vocabulary of letters, of letters that end a word, and of three words."""
    letters = "abcdefghijklmnopqrstuvwxyz0123456789-.,!?'"
    pieces = [*letters, *(f"{letter}</w>" for letter in letters), "at</w>", "cat</w>"]
    pieces += special or ["<|startoftext|>", "<|endoftext|>"]
    return {piece: number for number, piece in enumerate(pieces)}


def _sentence_pieces() -> bytes:
    import sentencepiece

    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["a red cat", "the dog of a cat", "an icon of a dog"] * 4),
        model_writer=model,
        vocab_size=24,
        model_type="unigram",
        hard_vocab_limit=False,
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
        minloglevel=2,
    )
    return model.getvalue()
