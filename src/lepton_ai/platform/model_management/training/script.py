"""Running a user's script in this process, as `python SCRIPT` would, and seeing what models it leaves behind."""

import runpy
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from lepton_ai.core.errors import InvalidInput, LeptonError, NotFound

_OUR_PACKAGE = str(Path(__file__).resolve().parents[3])


@dataclass(frozen=True)
class LeftModel:
    """A model that a script left in one of its variables."""

    variable: str
    model: Any


@dataclass(frozen=True)
class ScriptResult:
    """What became of a script.

    Args:
        exit_code: What `python SCRIPT` would have exited with; 130 after Ctrl-C.
        message: What Python would have written to stderr about the end, such as a traceback; often empty.
        models: The models in the script's variables, none of them twice and no parts of one another.
    """

    exit_code: int
    message: str = ""
    models: tuple[LeftModel, ...] = ()


def run_script(
    script: Path,
    arguments: Sequence[str] = (),
    *,
    is_model: Callable[[object], bool],
    around: AbstractContextManager[object] | None = None,
) -> ScriptResult:
    """Run a script as the main program, in this process.

    The script sees what it would see under `python SCRIPT ARGUMENTS`: `__name__` is `"__main__"`, `sys.argv` holds its
    own words (the first is its absolute path, as `__file__` is), its folder stands first on `sys.path`, and `sys.exit`
    ends it with its code. An exception ends it with code 1 and a traceback of its own frames; ours are left out.

    Args:
        script: The script.
        arguments: The words after it.
        is_model: Whether an object is a model to look for among the script's variables.
        around: Entered while the script runs, as a `DataMirror`.

    Returns:
        How it ended, and the models it left behind.

    Raises:
        NotFound: There is no such script.
        InvalidInput: It is not a file that can be read.

    Example:

        >>> import tempfile
        >>> script = Path(tempfile.mkdtemp()) / "hello.py"
        >>> _ = script.write_text("import sys; print('hello', *sys.argv[1:]); sys.exit(3)")
        >>> run_script(script, ["you"], is_model=callable).exit_code
        hello you
        3
    """
    _check_readable(script)
    # Python makes the path of its main program absolute; so tracebacks still find the lines after a change of folder.
    script = script.absolute()
    try:
        with _as_main_program(script, arguments), around or nullcontext():
            variables = runpy.run_path(str(script), run_name="__main__")
    except SystemExit as end:
        code, message = _exit_code(end.code)
        return ScriptResult(code, message, find_models(_variables(end.__traceback__, script), is_model))
    except KeyboardInterrupt:
        return ScriptResult(130)
    except BaseException as error:  # noqa: BLE001 - whatever a script raises ends the script, not us
        return ScriptResult(1, _describe(error))
    return ScriptResult(0, models=find_models(variables, is_model))


def find_models(variables: Mapping[str, Any], is_model: Callable[[object], bool]) -> tuple[LeftModel, ...]:
    """The models among a script's variables.

    An object under two names counts once, by its first; a net that is a layer of another model found here, at any
    depth, counts as a part of that one.
    """
    found: list[LeftModel] = []
    for variable, value in variables.items():
        if is_model(value) and all(value is not other.model for other in found):
            found.append(LeftModel(variable, value))
    parts = {id(part) for left in found for part in _parts(left.model)}
    return tuple(left for left in found if id(left.model) not in parts)


def _check_readable(script: Path) -> None:
    if not script.exists():
        raise NotFound(f"there is no script at {script}", hint="Check the path; it counts from the current folder.")
    if not script.is_file():
        raise InvalidInput(f"the script must be a file, got the folder or device {script}")
    try:
        with open(script, "rb"):
            pass
    except OSError as error:
        raise InvalidInput(f"the script {script} cannot be read: {error.strerror}") from error


@contextmanager
def _as_main_program(script: Path, arguments: Sequence[str]) -> Iterator[None]:
    argv, path = sys.argv, list(sys.path)
    sys.argv = [str(script), *arguments]
    if not sys.flags.safe_path:
        # The first entry is the folder of the program that runs now; Python follows links to find a script's own.
        sys.path[:1] = [str(script.resolve().parent)]
    try:
        yield
    finally:
        sys.argv, sys.path[:] = argv, path


def _exit_code(code: object) -> tuple[int, str]:
    if code is None:
        return 0, ""
    if isinstance(code, int):
        return code & 0xFF, ""
    return 1, f"{code}\n"


def _variables(trace: TracebackType | None, script: Path) -> Mapping[str, Any]:
    """The script's variables, from the frame in which it ended early."""
    while trace is not None:
        code = trace.tb_frame.f_code
        if code.co_name == "<module>" and code.co_filename == str(script):
            return trace.tb_frame.f_globals
        trace = trace.tb_next
    return {}


def _describe(error: BaseException) -> str:
    described = traceback.TracebackException.from_exception(error)
    pending: list[traceback.TracebackException | None] = [described]
    while pending:
        if (part := pending.pop()) is None:
            continue
        part.stack = traceback.StackSummary.from_list([frame for frame in part.stack if not _is_ours(frame.filename)])
        pending += [part.__cause__, part.__context__, *(part.exceptions or ())]
    # A script that does not compile ran no line of its own, and Python shows no frames for it either.
    text = "".join(described.format() if described.stack else described.format_exception_only())
    if isinstance(error, LeptonError) and error.hint:
        text += f"hint: {error.hint}\n"
    return text


def _is_ours(file_name: str) -> bool:
    return file_name.startswith(f"{_OUR_PACKAGE}/") or file_name in ("<frozen runpy>", runpy.__file__)


def _parts(model: Any) -> Iterator[object]:
    for layer in getattr(model, "layers", ()):
        yield layer
        yield from _parts(layer)
