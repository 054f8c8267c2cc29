"""Exports that all tests of assessment share."""

import functools
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from clipbench_tf.evaluation.scorers import cosine
from tests.evaluation.samples import NAMES
from tests.export import exports


@pytest.fixture(scope="session")
def model(tiny_export):
    return tiny_export(cosine).folder


@pytest.fixture(scope="session")
def other(tmp_path_factory):
    """An export of other weights."""

    def change(method):
        rng = np.random.default_rng(2)
        for variable in method.trainable_variables:
            variable.assign_add(0.5 * rng.normal(size=variable.shape))

    folder = tmp_path_factory.mktemp("other")
    return exports.write(folder, cosine, method="other", classes=NAMES, change=change).folder


@pytest.fixture(scope="session")
def _loaded():
    """Loads the SavedModel in a folder, once for each device and each file of weights there."""
    load = tf.saved_model.load

    @functools.cache
    def kept(folder: str, written: int, device: str):
        return load(folder)

    def loaded(folder: str):
        weights = Path(folder) / "variables/variables.data-00000-of-00001"
        return kept(folder, weights.stat().st_mtime_ns, tf.constant(0).device)

    return loaded


@pytest.fixture(autouse=True)
def _load_once(_loaded, monkeypatch):
    """To load a model takes longer than to evaluate it on so few pictures; its functions keep no
    state, so that evaluations may share them."""
    monkeypatch.setattr(tf.saved_model, "load", _loaded)
