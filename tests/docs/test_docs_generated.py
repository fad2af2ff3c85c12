"""What the reference takes from the code is up to date, and every public thing has its place there."""

import importlib.util
import re
import sys
from dataclasses import fields
from pathlib import Path
from types import ModuleType

import pytest
from doc_pages import ROOT

import lepton_ai
from lepton_ai.cli.main import COMMANDS
from lepton_ai.core.settings import Settings

DOCS = ROOT / "docs"
REFERENCE = DOCS / "reference"


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_generator", ROOT / "scripts" / "docs.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def rendered(generator: ModuleType) -> dict[Path, str]:
    return dict(generator.rendered_pages())


def test_no_generated_part_is_stale(rendered: dict[Path, str]) -> None:
    stale = [page.name for page, text in rendered.items() if page.read_text() != text]
    assert not stale, f"{stale}: run `sh scripts/docs`"


def test_every_generated_part_stands_in_some_page(generator: ModuleType, rendered: dict[Path, str]) -> None:
    written = "".join(page.read_text() for page in rendered)
    assert [part for part in generator.PARTS if f"<!-- begin generated: {part} -->" not in written] == []


def test_a_changed_help_text_makes_a_page_stale(generator: ModuleType) -> None:
    page = (REFERENCE / "settings.md").read_text()
    changed = page.replace("The address to listen on.", "Something older.")
    assert changed != page
    assert generator.with_generated_parts(changed) == page


def test_every_public_name_has_its_place() -> None:
    page = (REFERENCE / "python.md").read_text()
    classes = [name for name in lepton_ai.__all__ if name[0].isupper()]
    assert [name for name in classes if f"\n## {name}\n" not in page] == []
    assert [name for name in lepton_ai.__all__ if f"`{name}`" not in page] == []


def test_every_setting_has_its_place() -> None:
    page = (REFERENCE / "settings.md").read_text()
    assert [spec.name for spec in fields(Settings) if f"| `{spec.name}` | `{spec.metadata['env']}` |" not in page] == []


def test_every_variable_that_the_code_reads_has_its_place() -> None:
    sources = [*(ROOT / "src").rglob("*.py"), *(ROOT / "scripts").iterdir()]
    text = "".join(source.read_text() for source in sources if source.is_file())
    page = (REFERENCE / "settings.md").read_text()
    named = set(re.findall(r"LEPTON_[A-Z]+(?:_[A-Z]+)*\b(?!_)", text))
    assert {name for name in named if f"`{name}" not in page} == set()


def test_every_command_has_its_place() -> None:
    page = (REFERENCE / "cli.md").read_text()
    assert [name for name in COMMANDS if f"\n## lepton {name}\n" not in page] == []


def test_every_error_code_has_its_place(generator: ModuleType) -> None:
    page = (REFERENCE / "errors.md").read_text()
    codes = re.findall(r'^    code = "(\w+)"', "".join(p.read_text() for p in (ROOT / "src").rglob("*.py")), re.M)
    assert codes
    assert [code for code in codes if f"| `{code}` |" not in page] == []


def test_every_route_has_its_place(generator: ModuleType) -> None:
    page = (REFERENCE / "http.md").read_text()
    routes = "".join(p.read_text() for p in (ROOT / "src/lepton_ai/server").rglob("*.py"))
    declared = re.findall(r"^@router\.(get|post|put|patch|delete|head)\(", routes, re.M)
    listed = re.findall(r"^\| `(GET|POST|PUT|PATCH|DELETE|HEAD) ", page, re.M)
    assert len(listed) == len(declared) + len(["/healthz", "/readyz"])
