"""What a drawing's author wrote about it: the Dublin Core description inside an SVG."""

import dataclasses
from xml.etree import ElementTree
from xml.parsers import expat

_DC = "{http://purl.org/dc/elements/1.1/}"
_RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
# Illustrator declares entities for namespaces; none is longer than this.
_LONGEST_ENTITY = 200


class MetadataError(ValueError):
    """An SVG that cannot be read, or that is not safe to read."""


@dataclasses.dataclass(frozen=True)
class Metadata:
    """The fields as found, but for white space around them; "" or () where there is none."""

    title: str = ""
    description: str = ""
    keywords: tuple[str, ...] = ()
    author: str = ""
    date: str = ""  # as written: many forms
    licence: str = ""  # an address


def read_metadata(svg: bytes) -> Metadata:
    """The description of the drawing `svg`, empty where it has none.

    Raises:
        MetadataError: for bytes that are no XML, or that declare entities made of others, long or
            outside of the file, which could expand without end.
    """
    work = _find_work(_parse(svg))
    if work is None:
        return Metadata()
    licences = [child for child in work if _local_name(child) == "license"]
    return Metadata(
        title=_text(work.find(f"{_DC}title")),
        description=_text(work.find(f"{_DC}description")),
        keywords=tuple(filter(None, map(_text, work.iterfind(f"{_DC}subject//{_RDF}li")))),
        author=_text(work.find(f"{_DC}creator")),
        date=_text(work.find(f"{_DC}date")),
        licence=licences[0].get(f"{_RDF}resource", "").strip() if licences else "",
    )


def _parse(svg: bytes) -> ElementTree.Element:
    builder = ElementTree.TreeBuilder()
    # Expat writes a name with a namespace as "address}name", ElementTree as "{address}name".
    parser = expat.ParserCreate(namespace_separator="}")
    parser.StartElementHandler = lambda tag, attributes: builder.start(
        _braced(tag), {_braced(name): value for name, value in attributes.items()}
    )
    parser.EndElementHandler = lambda tag: builder.end(_braced(tag))
    parser.CharacterDataHandler = builder.data
    parser.EntityDeclHandler = _refuse_unsafe_entity
    try:
        parser.Parse(svg, True)
    except (expat.ExpatError, LookupError, ValueError) as error:
        raise MetadataError(str(error)) from error
    return builder.close()


def _braced(name: str) -> str:
    return "{" + name if "}" in name else name


def _refuse_unsafe_entity(
    name: str,
    is_parameter: bool,
    value: str | None,
    base: str | None,
    system: str | None,
    public: str | None,
    notation: str | None,
) -> None:
    """Expat's handler for `<!ENTITY name "value">`; `value` is None for one outside of the file."""
    if value is None or "&" in value or len(value) > _LONGEST_ENTITY:
        raise MetadataError(f"entity {name} is not safe to expand")


def _find_work(root: ElementTree.Element) -> ElementTree.Element | None:
    """Creative Commons' element, which has had several namespaces."""
    return next((e for e in root.iter() if _local_name(e) == "Work"), None)


def _local_name(element: ElementTree.Element) -> str:
    return str(element.tag).rpartition("}")[2]


def _text(element: ElementTree.Element | None) -> str:
    return "" if element is None else "".join(element.itertext()).strip()
