"""The page of a real export, from the file to the browser."""

import numpy as np
import pytest

from clipbench_tf.evaluation.scorers import late_interaction
from clipbench_tf.export.exported_model import ExportedModel
from clipbench_tf.export.saved_model import export
from clipbench_tf.serving.application import application
from clipbench_tf.serving.limits import Limits
from clipbench_tf.serving.page.routes import routes
from clipbench_tf.serving.page.search import Search
from clipbench_tf.serving.page.searchable import Searchable
from clipbench_tf.serving.served_model import ServedModel
from tests.evaluation.samples import COLOURS, NAMES, SIZE, png, tiny_method
from tests.serving.page import chromium
from tests.serving.page.person import Person

TYPED = ["red", "blue", "a cat", "grey", "white", "green light", "dog"]  # more than k's default


@chromium.needed
@pytest.mark.slow
def test_an_export_is_classified_searched_and_aligned_with_in_a_browser(tmp_path):
    method, tokenizer = tiny_method("filip")
    folder = export(
        method,
        tokenizer,
        tmp_path / "pets" / "saved_model",
        dataset="drawings",
        classes=NAMES,
        templates=("{}", "a {} thing"),
        scorer=late_interaction(method),
        image_size=SIZE,
    )
    photos = tmp_path / "photos"
    photos.mkdir()
    for name, colour in zip(NAMES, COLOURS, strict=True):
        (photos / f"{name}.png").write_bytes(png(colour))
    served = ServedModel(folder)
    search = Search(served, Searchable(str(photos)))
    app = application(served, limits=Limits(), routes=routes(served, search=search))
    served.load()
    try:
        with (
            chromium.on_a_port(app) as url,
            chromium.browser(tmp_path / "profile") as driver,
        ):
            driver.get(url)
            _use(Person(driver), photos / "blue.png", ExportedModel(folder))
    finally:
        served.close()
    assert search.path.is_file()


def _use(person, picture, model):
    person.sees("#about", "filip, trained on drawings")
    person.types("#names", "\n".join(TYPED))
    person.chooses(picture)
    person.sees("#classify .status", "Most likely")
    found = dict(row.split("\n") for row in person.texts("#bars li"))
    expected = model.classify([picture], TYPED)[0]
    shown = [float(found[name].rstrip("%")) for name in TYPED]
    np.testing.assert_allclose(shown, 100 * expected, atol=0.06)
    person.clicks("#tab-search")
    person.sees("#searched", "Searches 5 pictures of photos.")
    person.types("#query", "green light\n")
    person.sees("#search .status", "The 5 nearest")
    person.clicks("#tab-align")
    person.types("#caption", "a green light\n")
    person.sees("#align .status", "3 words")
    assert len(person.all("#patches button")) == 4
    assert person.errors_of_scripts() == []
