"""Links between pages lead somewhere, and pages name no place that only one machine has."""

import re
from pathlib import Path

import pytest
from doc_pages import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")])

_LINK = re.compile(r"\]\((?!https?://|mailto:)([^)\s]*)\)")
_CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)
_MACHINE_PATH = re.compile(r"(?<![\w.~])/(?:work|home|root|Users)/")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    assert [target for target in _LINK.findall(_prose(page)) if not _is_there(page, target)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_pages_name_no_machine(page: Path) -> None:
    assert _MACHINE_PATH.findall(page.read_text()) == []


def test_every_page_is_linked_from_another() -> None:
    linked = {
        (page.parent / target.partition("#")[0]).resolve() for page in PAGES for target in _LINK.findall(_prose(page))
    }
    assert [str(page.relative_to(ROOT)) for page in PAGES if page.resolve() not in {*linked, ROOT / "README.md"}] == []


def test_every_example_is_listed() -> None:
    listed = (ROOT / "examples" / "README.md").read_text()
    assert [script.name for script in ROOT.glob("examples/*.py") if f"({script.name})" not in listed] == []


def _is_there(page: Path, target: str) -> bool:
    path, _, anchor = target.partition("#")
    found = (page.parent / path).resolve() if path else page
    return found.exists() and (not anchor or anchor in _anchors(found))


def _anchors(page: Path) -> set[str]:
    """The anchors that a forge makes of headings: lower case, words joined by hyphens, punctuation left out."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _prose(page: Path) -> str:
    return _CODE.sub("", page.read_text(encoding="utf-8"))
