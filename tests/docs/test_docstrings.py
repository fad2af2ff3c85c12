"""Every example in a public docstring runs and prints what it says."""

import doctest
import importlib
import pkgutil

import pytest

import lepton_ai

PROGRAMS = ("lepton_ai.server.__main__", "lepton_ai.core.migrations")
"""What runs when it is imported: the server, and what Alembic loads for a migration."""


def module_names() -> list[str]:
    found = [module.name for module in pkgutil.walk_packages(lepton_ai.__path__, "lepton_ai.")]
    return ["lepton_ai", *(name for name in found if not name.startswith(PROGRAMS))]


@pytest.mark.parametrize("name", module_names())
def test_examples_in_docstrings_print_what_they_say(name: str) -> None:
    module = importlib.import_module(name)
    result = doctest.testmod(module, optionflags=doctest.ELLIPSIS)
    assert result.failed == 0
