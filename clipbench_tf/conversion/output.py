"""A folder that is written whole or not at all."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from clipbench_tf.conversion.names.architecture import ConversionError


def refuse_existing(output: Path) -> None:
    """Refuses a folder that holds something.

    Raises:
        ConversionError: with the remedy.
    """
    if output.exists() and (output.is_file() or any(output.iterdir())):
        raise ConversionError(f"{str(output)!r} exists; give another --output, or remove it.")


@contextlib.contextmanager
def written(output: Path) -> Iterator[Path]:
    """Yields a folder to write into, which takes the place of `output` if nothing fails.

    Raises:
        ConversionError: if it cannot be written.
    """
    partial = output.with_name(f"{output.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        yield partial
        shutil.rmtree(output, ignore_errors=True)
        os.replace(partial, output)
    except OSError as error:
        raise ConversionError(
            f"Cannot write {str(output)!r}: {error.strerror}. Give another --output."
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
