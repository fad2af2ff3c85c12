"""Every example in a public docstring runs and prints what it says."""

import doctest
import importlib
import pkgutil

import pytest

import lepton_ai

HEAVY = ("lepton_ai.platform.frameworks", "lepton_ai.sdk.model")
PROGRAMS = ("lepton_ai.server.__main__",)


def module_names() -> list[str]:
    modules = [module.name for module in pkgutil.walk_packages(lepton_ai.__path__, "lepton_ai.")]
    return ["lepton_ai", *(name for name in modules if not name.startswith(HEAVY) and name not in PROGRAMS)]


@pytest.mark.parametrize("name", module_names())
def test_examples_in_docstrings_print_what_they_say(name: str) -> None:
    module = importlib.import_module(name)
    result = doctest.testmod(module, optionflags=doctest.ELLIPSIS)
    assert result.failed == 0
