from __future__ import annotations

import pytest

from pvcore.dossier.approvals import with_approvals
from pvcore.errors import RegistryError

PAGE = "<html><body><main><h1>seriousness@2</h1></main></body></html>"
ROW = {
    "name": "Dr Jane <b>Roe</b>", "principal": "jane@example.org", "time": "2030-01-02T03:04:05Z",
    "meaning": "approved: promote seriousness@2", "reason": "as tested", "key": "SHA256:abc",
    "verified": "no: it is forged",
}  # fmt: skip


def test_every_signature_stands_with_name_time_and_meaning_behind_the_stored_page() -> None:
    made = with_approvals(PAGE, [ROW], digest="ab" * 32, asof="entry 7")
    assert made.startswith(PAGE.removesuffix("</body></html>")) and made.endswith("</body></html>")
    for part in (
        "Jane &lt;b&gt;Roe",
        ROW["time"],
        ROW["meaning"],
        ROW["reason"],
        ROW["key"],
        ROW["verified"],
        "entry 7",
        "ab" * 32,
    ):
        assert part in made
    assert made == with_approvals(PAGE, [ROW], digest="ab" * 32, asof="entry 7")
    assert "Nobody has signed anything" in with_approvals(PAGE, [], digest="", asof="")


def test_long_words_of_a_signature_push_nothing_off_the_printed_page() -> None:
    """The meaning of an override holds digests, a reason may hold an address."""
    try:
        import weasyprint
    except (ImportError, OSError) as error:
        pytest.skip(f"WeasyPrint or Pango is not installed: {error}")
    style = "<style>@page { size: A4; margin: 16mm } table { width: 100% } code { overflow-wrap: anywhere }</style>"
    meaning = f"approves, although the report compares with {'ab' * 32}, not with {'cd' * 32}"
    row = ROW | {
        "meaning": meaning,
        "reason": f"see\nhttps://example.org/{'x' * 120}",
        "key": "SHA256:" + "k" * 43,
    }
    page = with_approvals(style + PAGE, [row], digest="ab" * 32, asof="entry 7")
    for sheet in weasyprint.HTML(string=page).render().pages:
        boxes = [box for box in sheet._page_box.descendants() if hasattr(box, "text")]
        assert boxes and max(box.position_x + box.width for box in boxes) < sheet.width


def test_a_page_without_an_end_is_refused() -> None:
    with pytest.raises(RegistryError, match="no end to add signatures"):
        with_approvals("<p>no page", [ROW], digest="", asof="")
