"""Signatures in a page that was written before anybody signed."""

from __future__ import annotations

from pvcore.dossier.approvals import HEADING, with_signatures

ROW = {
    "name": "Dr <Jane> Roe",
    "time": "2030-01-02T03:04:05.000Z",
    "meaning": "Dr Jane Roe approves",
    "reason": "fine & good",
    "roles": ["qppv", "safety-physician"],
    "key": "SHA256:abc",
}


def test_name_time_and_meaning_stand_in_the_section() -> None:
    page = with_signatures(f"<body>{HEADING}<p>old</p></body>", [ROW], digest="d" * 64, entry=7)
    section = page.split(HEADING)[1]
    assert "up to entry 7" in section and "d" * 64 in section
    assert (
        "<td>Dr &lt;Jane&gt; Roe</td><td>2030-01-02T03:04:05.000Z</td><td>Dr Jane Roe approves</td>"
        in section
    )
    assert "<td>fine &amp; good</td><td>qppv, safety-physician</td>" in section
    assert section.endswith("<p>old</p></body>")


def test_nobody_signed_and_a_page_without_the_section() -> None:
    page = with_signatures("<body>x</body>", [], digest="d" * 64, entry=1)
    assert page.startswith(f"<body>x{HEADING}") and "Nobody has signed." in page and page.endswith("</body>")
