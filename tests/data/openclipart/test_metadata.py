"""Reading what authors wrote in their drawings, by handmade SVGs."""

import pytest

from clipbench_tf.data.openclipart.metadata import Metadata, MetadataError, read_metadata
from tests.data.openclipart.svgs import PUBLIC_DOMAIN, svg


def test_every_field_is_read_as_its_author_wrote_it():
    drawing = svg(
        title="  Cats & <dogs> ",
        description="Simbolo delle scatole.\nShape package.",
        keywords=("animal", "", "Big Cat", "animal"),
    )
    assert read_metadata(drawing.encode()) == Metadata(
        title="Cats & <dogs>",
        description="Simbolo delle scatole.\nShape package.",
        keywords=("animal", "Big Cat", "animal"),
        author="Ann Author",
        date="19 08 2005",
        licence=PUBLIC_DOMAIN,
    )


def test_the_publisher_s_title_is_not_taken_for_the_drawing_s_where_that_is_empty():
    assert read_metadata(svg(title="").encode()).title == ""


@pytest.mark.parametrize("title", ["Schäferhund mit Hütte", "Колокол", "国旗", "علم", "🐞 bug"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_titles_of_other_languages_and_encodings_are_kept(title, encoding):
    text = svg(title=title).replace("UTF-8", encoding)
    assert read_metadata(text.encode(encoding)).title == title


def test_latin_1_is_read_as_declared():
    text = svg(title="Drapeau français").replace("UTF-8", "ISO-8859-1")
    assert read_metadata(text.encode("latin-1")).title == "Drapeau français"


@pytest.mark.parametrize(
    "text", ['<svg xmlns="http://www.w3.org/2000/svg"/>', svg().replace("cc:Work", "cc:Thing")]
)
def test_a_drawing_without_metadata_has_empty_fields(text):
    assert read_metadata(text.encode()) == Metadata()


def test_the_later_namespace_of_creative_commons_is_known_as_well():
    text = svg(title="Hen").replace("http://web.resource.org/cc/", "http://creativecommons.org/ns#")
    assert read_metadata(text.encode()).title == "Hen"
    assert read_metadata(text.encode()).licence == "http://creativecommons.org/ns#PublicDomain"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no XML",
        svg(title="cut")[:-20].encode(),
        svg().replace("xmlns:cc=", "xmlns:other=").encode(),
        b'<svg xmlns="http://www.w3.org/2000/svg">\xff\xfe</svg>',
        b'<?xml version="1.0" encoding="klingon"?><svg/>',
        b"\x00" * 100,
    ],
)
def test_bytes_that_are_no_xml_are_refused(content):
    with pytest.raises(MetadataError):
        read_metadata(content)


def test_illustrator_s_entities_for_namespaces_are_resolved():
    doctype = '<!DOCTYPE svg [<!ENTITY dc "http://purl.org/dc/elements/1.1/">]>'
    text = svg(title="Star", doctype=doctype)
    text = text.replace('dc="http://purl.org/dc/elements/1.1/"', 'dc="&dc;"')
    assert text.count("&dc;") == 1
    assert read_metadata(text.encode()).title == "Star"


def bomb(depth: int) -> str:
    lines = [f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, depth)]
    return f'<!DOCTYPE svg [<!ENTITY e0 "ha">{"".join(lines)}]>'


@pytest.mark.parametrize(
    "doctype",
    [
        bomb(depth=10),
        bomb(depth=2),
        f'<!DOCTYPE svg [<!ENTITY e1 "{"x" * 100_000}">]>',
        '<!DOCTYPE svg [<!ENTITY e1 SYSTEM "file:///etc/hostname">]>',
        '<!DOCTYPE svg [<!ENTITY % e1 SYSTEM "http://localhost/all.dtd"> %e1;]>',
    ],
)
def test_entities_that_could_expand_without_end_or_reach_outside_are_refused(doctype):
    text = svg(title="TITLE", doctype=doctype).replace("TITLE", "&e1;" * 100)
    with pytest.raises(MetadataError, match="entity e1 is not safe"):
        read_metadata(text.encode())
