"""Settings: which source wins, and what is said about a wrong value."""

from pathlib import Path

import pytest

from lepton_ai.core.errors import InvalidInput
from lepton_ai.core.settings import config_file, load_settings


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "config.toml"
    file.write_text(text)
    return file


def test_a_flag_wins_over_environment_file_and_default(tmp_path: Path) -> None:
    file = written(tmp_path, "port = 1111\nhost = '127.0.0.2'\ngateway = 'envoy'\n")
    environment = {"LEPTON_PORT": "2222", "LEPTON_HOST": "127.0.0.3"}
    settings, origins = load_settings({"port": 3333}, environment, file)
    assert (settings.port, settings.host, settings.gateway) == (3333, "127.0.0.3", "envoy")
    assert [origins[name].kind for name in ("port", "host", "gateway", "executor")] == [
        "flag",
        "env",
        "file",
        "default",
    ]
    assert origins["host"].detail == "LEPTON_HOST"
    assert origins["gateway"].detail == str(file)


def test_an_empty_variable_counts_as_not_set(tmp_path: Path) -> None:
    assert load_settings({}, {"LEPTON_PORT": ""}, tmp_path / "none")[0].port == 8421


def test_endpoints_answer_on_the_next_port(tmp_path: Path) -> None:
    assert load_settings({"port": "9000"}, {}, tmp_path / "none")[0].endpoints_port == 9001


def test_the_data_folder_lies_in_the_home_of_the_environment(tmp_path: Path) -> None:
    assert load_settings({}, {"HOME": str(tmp_path)}, tmp_path / "none")[0].data_dir == tmp_path / ".lepton"


def test_data_set_folders_are_separated_as_in_path(tmp_path: Path) -> None:
    assert load_settings({}, {"LEPTON_DATASETS": "/a:/b::"}, tmp_path / "none")[0].datasets == ("/a", "/b")


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("LEPTON_PORT", "abc", "a whole number"),
        ("LEPTON_PORT", "0", "a port from 1 to 65534"),
        ("LEPTON_PORT", "65535", "a port from 1 to 65534"),
        ("LEPTON_GATEWAY", "nginx", "one of auto, envoy, python_proxy"),
    ],
)
def test_a_wrong_value_is_named_with_its_source_and_the_rule(
    variable: str, value: str, expected: str, tmp_path: Path
) -> None:
    with pytest.raises(InvalidInput) as raised:
        load_settings({}, {variable: value}, tmp_path / "none")
    assert variable in raised.value.message
    assert expected in raised.value.message
    assert repr(value) in raised.value.message


def test_an_unknown_key_in_the_file_is_refused_with_those_that_exist(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="unknown setting `prot`") as raised:
        load_settings({}, {}, written(tmp_path, "prot = 1\n"))
    assert "port" in str(raised.value.hint)


def test_a_broken_file_is_refused_with_its_name(tmp_path: Path) -> None:
    file = written(tmp_path, "port = = 1\n")
    with pytest.raises(InvalidInput, match=r"config\.toml cannot be read"):
        load_settings({}, {}, file)


def test_the_file_is_found_by_variable_then_by_configuration_folder(tmp_path: Path) -> None:
    assert config_file({"LEPTON_CONFIG": "/x.toml", "HOME": "/h"}) == Path("/x.toml")
    assert config_file({"XDG_CONFIG_HOME": "/c", "HOME": "/h"}) == Path("/c/lepton/config.toml")
    assert config_file({"HOME": "/h"}) == Path("/h/.config/lepton/config.toml")


def test_a_list_in_the_file_is_several_values_where_several_are_allowed(tmp_path: Path) -> None:
    file = written(tmp_path, "worker_env = ['A', 'B']\ndatasets = ['/x', '/y']\n")
    settings, _ = load_settings({}, {}, file)
    assert settings.worker_env == ("A", "B")
    assert settings.datasets == ("/x", "/y")
    with pytest.raises(InvalidInput, match="one value, got a list"):
        load_settings({}, {}, written(tmp_path, "host = ['a', 'b']\n"))


def test_a_file_that_was_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"none\.toml, which is not there"):
        load_settings({}, {"LEPTON_CONFIG": str(tmp_path / "none.toml")})
