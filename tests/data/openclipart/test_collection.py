"""Files, links and licences of a folder of handmade drawings."""

import hashlib

import pytest

from clipbench_tf.data.openclipart import collection
from tests.data.openclipart.svgs import PUBLIC_DOMAIN, svg, write


def test_every_path_is_a_drawing_or_left_out_for_a_reason(tmp_path):
    gpl = "http://creativecommons.org/licenses/GPL/2.0/"
    files = {
        "animals/birds/hen.svg": svg(title="Hen"),
        "animals/broken.svg": "<svg",
        "computer/switch.svg": svg(licence=gpl),
        "food/egg.svg": svg(title="Egg", licence=""),
        "food/readme.txt": "no drawing",
    }
    write(tmp_path, files)
    (tmp_path / "food/hen.svg").symlink_to("../animals/birds/hen.svg")
    (tmp_path / "food/lost.svg").symlink_to("../nowhere.svg")
    drawings, dropped = collection.read_collection(tmp_path)
    assert [(d.path, d.category, d.links, d.metadata.title) for d in drawings] == [
        ("animals/birds/hen.svg", "animals/birds", ("food/hen.svg",), "Hen"),
        ("food/egg.svg", "food", (), "Egg"),
    ]
    digest = hashlib.sha256(files["food/egg.svg"].encode()).hexdigest()
    assert drawings[1].digest == digest
    assert dropped == {
        "food/hen.svg": collection.LINK,
        "food/lost.svg": collection.LINK,
        "animals/broken.svg": collection.UNREADABLE,
        "computer/switch.svg": collection.LICENCE,
    }


@pytest.mark.parametrize(
    ("licence", "public"),
    [
        (PUBLIC_DOMAIN, True),
        ("http://creativecommons.org/licenses/publicdomain/", True),
        ("", True),
        ("http://creativecommons.org/licenses/GPL/2.0/", False),
        ("http://creativecommons.org/licenses/by-sa/2.0/", False),
    ],
)
def test_only_the_public_domain_and_the_package_s_own_licence_count(licence, public):
    assert collection.is_public_domain(licence) is public
