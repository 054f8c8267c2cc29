"""The ids of OpenAI CLIP's vocabulary that have a meaning of their own."""

PAD_ID = 0  # also the piece "!": padding is what follows the end token
START_ID = 49406
END_ID = 49407
MASK_ID = 49408  # ours, behind OpenAI's 49,408 entries
VOCABULARY_SIZE = 49409
IGNORED_LABEL = -100  # a position that masked language modelling does not score
