"""Exports that all tests of assessment share."""

import pytest

from tests.assessment.samples import exported


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    return exported(tmp_path_factory.mktemp("first"), "tiny")


@pytest.fixture(scope="session")
def other(tmp_path_factory):
    return exported(tmp_path_factory.mktemp("second"), "other", change=0.5)
