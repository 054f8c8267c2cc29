"""Small SVGs with the metadata that the package's drawings have."""

from pathlib import Path
from xml.sax.saxutils import escape

PUBLIC_DOMAIN = "http://web.resource.org/cc/PublicDomain"


def svg(
    body: str = '<rect width="40" height="40" fill="red"/>',
    *,
    title: str = "",
    description: str = "",
    keywords: tuple[str, ...] = (),
    licence: str = PUBLIC_DOMAIN,
    page: str = 'width="40" height="40"',
    doctype: str = "",
) -> str:
    """A drawing of `body` on a page, described as Inkscape does it."""
    items = "".join(f"<rdf:li>{escape(keyword)}</rdf:li>" for keyword in keywords)
    return f"""<?xml version="1.0" encoding="UTF-8"?>{doctype}
<svg xmlns="http://www.w3.org/2000/svg" {page}>
 <metadata>
  <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"
    xmlns:cc="http://web.resource.org/cc/" xmlns:dc="http://purl.org/dc/elements/1.1/">
   <cc:Work rdf:about="">
    <dc:title>{escape(title)}</dc:title>
    <dc:description>{escape(description)}</dc:description>
    <dc:subject><rdf:Bag>{items}</rdf:Bag></dc:subject>
    <dc:publisher><cc:Agent><dc:title>Open Clip Art</dc:title></cc:Agent></dc:publisher>
    <dc:creator><cc:Agent>
      <dc:title>Ann Author</dc:title>
    </cc:Agent></dc:creator>
    <dc:date>19 08 2005</dc:date>
    <cc:license rdf:resource="{licence}"/>
   </cc:Work>
  </rdf:RDF>
 </metadata>
 {body}
</svg>"""


def write(folder: Path, files: dict[str, str]) -> None:
    """Writes texts to the relative paths that are their keys."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
