"""XML from outside as a stream: nothing is expanded or fetched, and what was read is forgotten.

A parser that stops at the root looks first, so that a document type (which is what carries entities)
is refused before anything is parsed for its content.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from xml.parsers import expat

from lxml import etree

from pvcore.annotations.reading import HEAD, Source, refuse

Entity = etree.Entity
"""What to ask `iter` for: references that were not expanded. Only a file with a document type has any."""


class _Stop(Exception):
    """Ends the look at the beginning of a document."""


def is_xml(head: bytes) -> bool:
    """Whether a file is XML; which XML, `root` says."""
    return head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<" or head[:4] in (b"\xff\xfe<\x00", b"\xfe\xff\x00<")


def first_element(head: bytes) -> int:
    """Where the first element begins, after comments, instructions and a document type; the end if it does not.

    A look from left to right: a pattern goes back at every one of a thousand comments that do not end.
    """
    at, typed = head.find(b"<"), False
    while at >= 0:
        if head.startswith(b"<!--", at):
            end = head.find(b"-->", at + 4)
        elif head.startswith(b"<?", at):
            end = head.find(b"?>", at + 2)
        elif head.startswith(b"<!DOCTYPE", at) and not typed:
            end, typed = head.find(b">", at), True
            if (inner := head.find(b"[", at, end)) >= 0:
                end = head.find(b">", head.find(b"]", inner))
        else:
            return at
        at = head.find(b"<", end) if end >= 0 else -1
    return len(head)


def root(source: Source, *, external: bool = False) -> str:
    """The name of the root as "namespace name", or "name" where there is no namespace.

    `external` accepts a document type that only names an external definition, as E2B(R2) messages do: it
    is never loaded and can define nothing. Raises BatchError for any other, and for what is no XML.
    """
    found: list[str] = []

    def element(tag: str, attributes: dict[str, str]) -> None:
        found.append(tag)
        raise _Stop

    def doctype(name: str, system: str | None, public: str | None, internal: int) -> None:
        if internal or not external or name != "ichicsr":
            raise refuse(
                source.name, "document type", "a DOCTYPE is not accepted", "no entity is needed: remove it"
            )

    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler = element
    parser.StartDoctypeDeclHandler = doctype
    try:
        with source.open() as file:
            while chunk := file.read(HEAD):
                parser.Parse(chunk)
            parser.Parse(b"", True)
    except _Stop:
        return found[0]
    except expat.ExpatError as error:
        raise refuse(
            source.name, f"line {error.lineno}", f"not well-formed XML: {expat.errors.messages[error.code]}"
        ) from error
    except (ValueError, LookupError) as error:  # an encoding that does not exist, or of several bytes
        raise refuse(source.name, "XML declaration", str(error), "save the file as UTF-8") from error
    raise refuse(source.name, "file", "not well-formed XML: no element found")  # pragma: no cover


def elements(source: Source, *tags: str) -> Iterator[Any]:
    """The elements of these names as they end, each forgotten when the next one is asked for.

    Memory is that of the largest element. White space between elements is no content. Raises BatchError
    where the XML is not well-formed.
    """
    with source.open() as file:
        # huge_tree, because attachments in Base64 exceed the parser's default; the file's size is bounded
        events = etree.iterparse(
            file, events=("end",), tag=tags, resolve_entities=False, no_network=True, load_dtd=False,
            huge_tree=True, remove_comments=True, remove_pis=True, remove_blank_text=True, collect_ids=False,
        )  # fmt: skip
        try:
            for _, element in events:
                yield element
                element.clear()
                parent = element.getparent()
                while parent is not None and parent[0] is not element:
                    del parent[0]
        except etree.XMLSyntaxError as error:
            raise refuse(source.name, f"line {error.lineno}", f"not well-formed XML: {error.msg}") from error
