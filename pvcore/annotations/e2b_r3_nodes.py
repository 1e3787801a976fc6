"""Elements of HL7 version 3: what they are called, and how the children of one are looked through."""

from __future__ import annotations

from typing import Any

from pvcore.annotations.e2b_r3_codes import NS


def tag_of(name: str) -> str:
    """A name in the namespace of HL7 version 3."""
    return f"{{{NS}}}{name}"


ID, CODE, VALUE = map(tag_of, ("id", "code", "value"))


def content(node: Any) -> str:
    text = "".join(node.itertext()) if len(node) else node.text
    return text.strip() if text else ""


def code_and_value(node: Any) -> tuple[str | None, Any]:
    """The code of an observation or the like, and its value as an element."""
    code = value = None
    for part in node:
        tag = part.tag
        if tag == CODE:
            code = part.get("code")
        elif tag == VALUE:
            value = part
    return code, value


def down(node: Any, *tags: str) -> Any:
    """The first element below at this path, or None. A compiled XPath costs three times as much."""
    for tag in tags:
        for child in node:
            if child.tag == tag:
                node = child
                break
        else:
            return None
    return node
