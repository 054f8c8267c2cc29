"""The flags of all commands that read gin files."""

from absl import flags

GIN_FILE = flags.DEFINE_multi_string(
    "gin_file", [], "A gin file, for example gin/defilip.gin. May be repeated; later ones win."
)
GIN_BINDINGS = flags.DEFINE_multi_string(
    "gin_bindings", [], "A binding such as 'recipe.Recipe.epochs = 3'. May be repeated; wins."
)
