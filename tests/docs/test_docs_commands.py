"""Every command of the README and of the guides runs, on a real cloud with an empty home, and prints what is shown."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from doc_pages import ROOT, RUN_LANGUAGES, Outcome, Reader, Step, blocks, steps

from lepton_ai.sdk.cloud import free_port_pair
from waiting import wait_until

GUIDES = ROOT / "docs" / "guides"
README = ROOT / "README.md"
QUICKSTART = GUIDES / "quickstart.md"
ELSEWHERE = {"data.md": "tests/unit/test_data_guide.py"}
AFTER_QUICKSTART = sorted(page for page in GUIDES.glob("*.md") if page.name not in {QUICKSTART.name, *ELSEWHERE})

NEEDS_CLOUD = "The commands need a running cloud"
FOUNDING_SCRIPT = "lepton run examples/01_founding_script.py --push digits"


@pytest.fixture(scope="session")
def finished_quickstart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Reader, list[Outcome]]]:
    """A reader who has typed the whole quickstart."""
    reader = Reader(tmp_path_factory.mktemp("quickstart"), free_ports())
    try:
        yield reader, reader.type(steps(QUICKSTART))
    finally:
        reader.leave()


@pytest.fixture
def reader(tmp_path: Path, finished_quickstart: tuple[Reader, list[Outcome]]) -> Iterator[Reader]:
    """Somebody with the cloud that the quickstart left, as a copy of its stopped data folder."""
    reader = Reader(tmp_path, free_ports())
    shutil.copytree(finished_quickstart[0].home / ".lepton", reader.home / ".lepton")
    try:
        yield reader
    finally:
        reader.leave()


def test_quickstart_does_what_it_says(finished_quickstart: tuple[Reader, list[Outcome]]) -> None:
    check(finished_quickstart[1])


@pytest.mark.parametrize("page", AFTER_QUICKSTART, ids=lambda page: page.stem)
def test_commands_of_a_guide_do_what_it_says(page: Path, reader: Reader) -> None:
    if NEEDS_CLOUD in page.read_text():
        check(reader.type([Step("lepton up --detach")]))
        wait_until(lambda: digits_answers(reader), timeout_s=60, interval_s=0.3)
    check(reader.type(steps(page)))


def test_story_of_the_readme_is_true(tmp_path: Path, finished_quickstart: tuple[Reader, list[Outcome]]) -> None:
    """The founding script itself trains for minutes, in the test of the demo: here another model takes its place."""
    reader = Reader(tmp_path, free_ports())
    stand_in = f"lepton model push {finished_quickstart[0].checkout}/exported digits"
    story = [Step(stand_in) if step.command == FOUNDING_SCRIPT else step for step in steps(README)]
    assert Step(stand_in) in story
    try:
        check(reader.type(story))
    finally:
        reader.leave()


@pytest.mark.parametrize("page", [README, *sorted(GUIDES.glob("*.md"))], ids=lambda page: page.stem)
def test_every_command_block_is_run_somewhere(page: Path) -> None:
    if page.name in ELSEWHERE:
        assert page.name in (ROOT / ELSEWHERE[page.name]).read_text()
        return
    not_run = {block.language for block in blocks(page) if block.why is None} - {
        *RUN_LANGUAGES,
        "text",
        "mermaid",
        "json",
    }
    assert not_run == set()


@pytest.mark.parametrize("page", sorted((ROOT / "docs").rglob("*.md")), ids=lambda page: page.stem)
def test_python_outside_the_guides_says_why_it_is_not_run(page: Path) -> None:
    if page.parent != GUIDES:
        assert [block.body for block in blocks(page) if block.language == "python" and block.why is None] == []


def check(outcomes: list[Outcome]) -> None:
    """Every step ended with 0 and printed what the page shows of it."""
    wrong = [outcome for outcome in outcomes if outcome.exit_code or outcome.missing]
    told = "\n".join(
        f"$ {outcome.step.command}\n{outcome.output}\n=> exit code {outcome.exit_code}, not seen: {outcome.missing}"
        for outcome in wrong
    )
    assert not wrong, told


def digits_answers(reader: Reader) -> bool:
    """Whether the endpoint that the quickstart made has come up again."""
    [shown] = reader.type([Step("lepton endpoint show digits")])
    return "2 of 2 ready" in shown.output


def free_ports() -> dict[int, int]:
    """Free ports in place of those that the pages name."""
    first, second = free_port_pair(), free_port_pair()
    return {8421: first, 8422: first + 1, 8431: second, 8432: second + 1}
