"""One frozen `Settings`: each value comes from a flag, the environment, a file or a default, in that order."""

import os
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from lepton_ai.core.errors import InvalidInput


def _setting(default: Any, *, env: str, help: str, parse: Callable[[str], Any] = str, secret: bool = False) -> Any:
    return field(default=default, metadata={"env": env, "help": help, "parse": parse, "secret": secret})


def _port(text: str) -> int:
    number = int(text)
    # The endpoints listen on the next port, so the last one cannot be ours.
    if not 1 <= number <= 65534:
        raise ValueError("a port from 1 to 65534")
    return number


def _at_least_one(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError("a number from 1")
    return number


def _from_zero(text: str) -> int:
    number = int(text)
    if number < 0:
        raise ValueError("a number from 0")
    return number


def _path(text: str) -> Path:
    return Path(text).expanduser().absolute()


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _one_of(*choices: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError(f"one of {', '.join(choices)}")
        return text

    return parse


@dataclass(frozen=True)
class Settings:
    """Everything that can be configured, as one value that is passed around.

    Make it with `load_settings`, which also tells where each value came from.
    """

    data_dir: Path = _setting(
        Path("~/.lepton"),
        env="LEPTON_DATA_DIR",
        parse=_path,
        help="The folder that holds the database, artifacts, data sets and logs.",
    )
    host: str = _setting("127.0.0.1", env="LEPTON_HOST", help="The address to listen on.")
    port: int = _setting(
        8421, env="LEPTON_PORT", parse=_port, help="The port of the API. Endpoints answer on the next one."
    )
    gateway: str = _setting(
        "auto",
        env="LEPTON_GATEWAY",
        parse=_one_of("auto", "envoy", "python_proxy"),
        help="The gateway: `envoy`, `python_proxy`, or `auto` for Envoy where it is installed.",
    )
    executor: str = _setting(
        "local_process",
        env="LEPTON_EXECUTOR",
        parse=_one_of("local_process"),
        help="What runs replicas: `local_process` runs them on this machine.",
    )
    datasets: tuple[str, ...] = _setting(
        (),
        env="LEPTON_DATASETS",
        parse=lambda text: tuple(part for part in text.split(os.pathsep) if part),
        help="Folders with data sets, looked through before those of the data folder; separated as in PATH.",
    )
    object_store_url: str = _setting(
        "",
        env="LEPTON_OBJECT_STORE_URL",
        help="Where buckets lie: `s3://BUCKET/PREFIX`; empty for the data folder.",
    )
    runs_at_once: int = _setting(
        1,
        env="LEPTON_RUNS_AT_ONCE",
        parse=_at_least_one,
        help="How many training runs have a process at once. Each uses all cores that it finds.",
    )
    job_cpus: int = _setting(
        0,
        env="LEPTON_JOB_CPUS",
        parse=_from_zero,
        help="How many CPUs all jobs together may count for; 0 for as many as the machine has.",
    )
    job_memory_mib: int = _setting(
        0,
        env="LEPTON_JOB_MEMORY_MIB",
        parse=_from_zero,
        help="How much memory all jobs together may count for, in MiB; 0 for as much as the machine has.",
    )
    worker_env: tuple[str, ...] = _setting(
        (),
        env="LEPTON_WORKER_ENV",
        parse=_names,
        help="Names of further environment variables that workers inherit, separated by commas.",
    )
    public_endpoints: str = _setting(
        "loopback",
        env="LEPTON_PUBLIC_ENDPOINTS",
        parse=_one_of("loopback", "always", "never"),
        help="Where an endpoint that asks for no tokens is open to anyone: on `loopback` alone, `always`, or `never`.",
    )
    workspace_id: str = _setting("default", env="LEPTON_WORKSPACE_ID", help="The workspace that commands speak of.")
    workspace_url: str = _setting(
        "", env="LEPTON_WORKSPACE_URL", help="The address of a workspace; empty for the cloud of the data folder."
    )
    workspace_token: str = _setting("", env="LEPTON_WORKSPACE_TOKEN", secret=True, help="The token for that workspace.")

    @property
    def allows_public_endpoints(self) -> bool:
        """Whether an endpoint that asks for no tokens is open to anyone who reaches this server."""
        on_loopback = self.host == "localhost" or self.host.startswith("127.") or self.host == "::1"
        return self.public_endpoints == "always" or (self.public_endpoints == "loopback" and on_loopback)

    @property
    def endpoints_port(self) -> int:
        """The port on which endpoints answer: never the API's, so that user code shares no origin with it."""
        return self.port + 1

    @property
    def local_api_url(self) -> str:
        """Where programs on this machine reach the API."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104 - not to listen there
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"


@dataclass(frozen=True)
class Origin:
    """Where one value came from: `flag`, `env`, `file` or `default`, with its name there."""

    kind: str
    detail: str = ""


def load_settings(
    flags: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
    file: Path | None = None,
) -> tuple[Settings, dict[str, Origin]]:
    """Read the settings and tell where each came from.

    Args:
        flags: Values from the command line by setting name; `None` values count as not given.
        environment: The process environment, or a test's own.
        file: A TOML file; by default `$LEPTON_CONFIG`, else `config.toml` in the user's configuration folder.

    Returns:
        The settings, and the origin of each by its name.

    Raises:
        InvalidInput: A value is wrong or a key in the file is unknown; the message names it and where it stands.

    Example:

        >>> settings, origins = load_settings({"port": 9000}, {"LEPTON_GATEWAY": "envoy"}, Path("/nonexistent"))
        >>> settings.port, settings.endpoints_port, settings.gateway
        (9000, 9001, 'envoy')
        >>> origins["port"].kind, origins["gateway"].detail, origins["host"].kind
        ('flag', 'LEPTON_GATEWAY', 'default')
    """
    environment = os.environ if environment is None else environment
    flags = {name: value for name, value in (flags or {}).items() if value is not None}
    named = file is None and bool(environment.get("LEPTON_CONFIG"))
    file = file or config_file(environment)
    written = _read_file(file, must_exist=named)

    values: dict[str, Any] = {}
    origins: dict[str, Origin] = {}
    for spec in fields(Settings):
        name, env = spec.name, spec.metadata["env"]
        if name in flags:
            values[name] = _parse(spec.metadata["parse"], flags[name], f"--{name.replace('_', '-')}")
            origins[name] = Origin("flag", f"--{name.replace('_', '-')}")
        elif environment.get(env):
            values[name] = _parse(spec.metadata["parse"], environment[env], env)
            origins[name] = Origin("env", env)
        elif name in written:
            values[name] = _parse(spec.metadata["parse"], written[name], f"{name} in {file}")
            origins[name] = Origin("file", str(file))
        else:
            default = spec.default
            values[name] = _home_path(default, environment) if isinstance(default, Path) else default
            origins[name] = Origin("default")
    return Settings(**values), origins


def config_folder(environment: Mapping[str, str]) -> Path:
    """The user's configuration folder: `$XDG_CONFIG_HOME/lepton`, else `~/.config/lepton`."""
    if base := environment.get("XDG_CONFIG_HOME"):
        return Path(base) / "lepton"
    return _home_path(Path("~/.config/lepton"), environment)


def config_file(environment: Mapping[str, str]) -> Path:
    """The configuration file that applies: `$LEPTON_CONFIG`, else `config.toml` in the configuration folder."""
    if named := environment.get("LEPTON_CONFIG"):
        return Path(named)
    return config_folder(environment) / "config.toml"


def _home_path(path: Path, environment: Mapping[str, str]) -> Path:
    if path.parts[:1] == ("~",) and environment.get("HOME"):
        return Path(environment["HOME"], *path.parts[1:]).absolute()
    return path.expanduser().absolute()


def _read_file(file: Path, *, must_exist: bool) -> dict[str, Any]:
    try:
        written = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        if must_exist:
            raise InvalidInput(f"LEPTON_CONFIG names {file}, which is not there") from error
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InvalidInput(
            f"the configuration file {file} cannot be read: {error}", hint="Correct that file, or remove it."
        ) from error
    known = {spec.name for spec in fields(Settings)}
    for name in written:
        if name not in known:
            raise InvalidInput(
                f"unknown setting `{name}` in {file}", hint=f"The settings are: {', '.join(sorted(known))}."
            )
    return written


def _parse(parse: Callable[[str], Any], value: Any, where: str) -> Any:
    try:
        if isinstance(value, list | tuple):  # only what holds several values may be a list
            return tuple(part for item in value for part in _several(parse, str(item), where))
        return parse(str(value))
    except ValueError as error:
        raise InvalidInput(
            f"{where} must be {_expected(error)}, got {str(value)!r}",
            hint="`lepton config` shows every value and its source.",
        ) from error


def _several(parse: Callable[[str], Any], text: str, where: str) -> tuple[str, ...]:
    parsed = parse(text)
    if not isinstance(parsed, tuple):
        raise InvalidInput(f"{where} must be one value, got a list")
    return parsed


def _expected(error: ValueError) -> str:
    text = str(error)
    return "a whole number" if text.startswith("invalid literal") else text
