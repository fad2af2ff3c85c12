"""Every example in a public docstring runs and prints what it says."""

import doctest
import importlib
import pkgutil

import pytest

import lepton_ai

LEFT_OUT = ("lepton_ai.server.__main__", "lepton_ai.core.migrations", "lepton_ai.sdk.model")
"""What runs when it is imported (the server, what Alembic loads), and a class whose docstring is its parent's."""


def module_names() -> list[str]:
    found = [module.name for module in pkgutil.walk_packages(lepton_ai.__path__, "lepton_ai.")]
    return ["lepton_ai", *(name for name in found if not name.startswith(LEFT_OUT))]


@pytest.mark.parametrize("name", module_names())
def test_examples_in_docstrings_print_what_they_say(name: str) -> None:
    module = importlib.import_module(name)
    result = doctest.testmod(module, optionflags=doctest.ELLIPSIS)
    assert result.failed == 0
