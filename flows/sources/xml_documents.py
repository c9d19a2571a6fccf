"""XML documents from outside: elements only, and no more of them than a product's metadata have."""

from __future__ import annotations

from xml.etree.ElementTree import (
    Element,
    ParseError,
    TreeBuilder,
    XMLParser,
)

#: Largest document that is read, bytes: a granule's metadata with all its angle grids has 0.6 MB, and 2 MB
#: with the grids of 13 bands and 12 detectors, which are all that there can be.
MAX_BYTES = 4 * 2**20
#: Deepest nesting of elements that is followed: a product's manifest has 8.
MAX_DEPTH = 64
#: Most elements: a granule's metadata have 4,500, and fewer than 10,000 with all the grids there can be.
MAX_ELEMENTS = 20_000


class XmlRefusedError(Exception):
    """A document that is not XML or not within the bounds; its text says which, on one line."""


class _BoundedTree(TreeBuilder):
    """A tree of elements only: a document type, and so every entity, is refused before it can be used."""

    def __init__(self) -> None:
        super().__init__()
        self._depth = self._elements = 0

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        raise XmlRefusedError("its XML declares a document type")

    def start(self, tag: str, attrs: dict[str, str]) -> Element:
        self._depth += 1
        self._elements += 1
        if self._depth > MAX_DEPTH:
            raise XmlRefusedError(f"its XML is nested more than {MAX_DEPTH} deep")
        if self._elements > MAX_ELEMENTS:
            raise XmlRefusedError(f"its XML has more than {MAX_ELEMENTS} elements")
        return super().start(tag, attrs)

    def end(self, tag: str) -> Element:
        self._depth -= 1
        return super().end(tag)


def xml_root(content: bytes) -> Element:
    """Return the root element of a document; XmlRefusedError says what is wrong with it."""
    if len(content) > MAX_BYTES:
        raise XmlRefusedError(f"larger than {MAX_BYTES} bytes")
    parser = XMLParser(target=_BoundedTree())  # noqa: S314 - see _BoundedTree
    try:
        parser.feed(content)
        return parser.close()
    except (ParseError, ValueError, LookupError) as error:
        raise XmlRefusedError(f"not XML: {error}") from error
