"""A suite in a gin file of a user."""

from pathlib import Path

TEXT = """
from __gin__ import dynamic_registration

from clipbench_tf.suites import suite

suite.Suite.title = 'OTTER beside CLIP'
suite.Suite.factors = ('method', 'image encoder')
suite.Suite.common = ['data']
suite.Suite.rows = [('CLIP', 'ResNet50'), ('OTTER', 'ResNet50')]
suite.Suite.levels = {'OTTER': ['methods/otter.gin']}
suite.Suite.baselines = {'method': 'CLIP'}
"""


def write(folder: Path, *changes: tuple[str, str]) -> str:
    """The path of a suite with `changes` of its text."""
    text = TEXT
    for before, after in changes:
        assert before in text
        text = text.replace(before, after)
    path = folder / "my.gin"
    path.write_text(text)
    return str(path)
