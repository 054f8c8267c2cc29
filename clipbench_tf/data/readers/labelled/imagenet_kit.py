"""The numbers that ILSVRC's development kit gives to the classes; their order is its own."""

import io
from collections.abc import Iterable, Mapping

from clipbench_tf.data.readers import files
from clipbench_tf.data.readers.dataset import DatasetError
from clipbench_tf.data.readers.labelled.text_list import lines

TEXT, MATLAB = "map_clsloc.txt", ("meta.mat", "meta_clsloc.mat")
CLASSES = 1000  # further numbers are of synsets above these


def order_near(places: Iterable[str]) -> Mapping[int, str] | None:
    """The synsets by number, from the first file of a kit in the folders `places`; None without.

    Raises:
        DatasetError: if the file is not of a form that is known.
    """
    for place in places:
        if files.exists(f"{place}/{TEXT}"):
            return in_text(f"{place}/{TEXT}")
        for name in MATLAB:
            if files.exists(f"{place}/{name}"):
                return in_matlab(f"{place}/{name}")
    return None


def in_text(file: str) -> Mapping[int, str]:
    """Those of a map_clsloc.txt, with lines as "n02119789 1 kit_fox"."""
    rows = [(line.number, line.text.split()) for line in lines(file)]
    for number, row in rows:
        if len(row) < 2 or not row[1].isdecimal():
            raise DatasetError(
                f"{file}, line {number} is not of the form 'n02119789 1 kit_fox'; take the file of "
                f"ILSVRC's kit."
            )
    return {int(row[1]): row[0] for _, row in rows}


def in_matlab(file: str) -> Mapping[int, str]:
    """Those of a meta.mat or meta_clsloc.mat."""
    try:
        from scipy.io import loadmat, matlab
    except ImportError as error:
        raise DatasetError(
            f"To read {file} takes the package scipy: `pip install scipy`; or give labels with a "
            f"synset a line."
        ) from error
    try:
        table = loadmat(io.BytesIO(files.read(file)), squeeze_me=True)["synsets"]
        column = next(name for name in table.dtype.names if name.endswith("_ID"))
        rows = [(int(row[column]), str(row["WNID"])) for row in table]
    except (ValueError, TypeError, KeyError, StopIteration, matlab.MatReadError) as error:
        raise DatasetError(
            f"{file} is no table of synsets as ILSVRC's kit has it ({error!r}); take that of "
            f"ILSVRC2012_devkit_t12, or give labels with a synset a line."
        ) from error
    return {number: synset for number, synset in rows if number <= CLASSES}
