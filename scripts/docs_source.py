"""Reads errors and public classes out of the source text, so that documenting them loads no framework."""

import ast
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class ErrorClass:
    """One error class as its source tells it."""

    name: str
    code: str
    status: int
    exit_code: int
    meaning: str

    @property
    def is_public(self) -> bool:
        """Whether a caller can name it."""
        return not self.name.startswith("_")


def error_classes(sources: Path) -> Sequence[ErrorClass]:
    """Every class below `LeptonError`, in whatever file it stands."""
    found = {"LeptonError": ErrorClass("LeptonError", "error", 500, 1, "")}
    classes = [
        node
        for file in sorted(sources.rglob("*.py"))
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
    ]
    known = 0
    while len(found) > known:  # a child may stand in a file that sorts before its parent's
        known = len(found)
        for node in classes:
            parents = [found[base.id] for base in node.bases if isinstance(base, ast.Name) and base.id in found]
            if parents and node.name not in found:
                found[node.name] = _error_class(node, parents[0])
    return list(found.values())[1:]


KERAS_HOOKS = frozenset(
    {
        "compute_loss",
        "get_config",
        "from_config",
        "get_compile_config",
        "compile_from_config",
        "save_assets",
        "load_assets",
        "remember",
        "forget",
    }
)
"""Methods of `Model` that Keras and `fit` call, not people."""


def class_section(name: str, files: Sequence[Path]) -> str:
    """A class with its public methods as Markdown, from its docstrings.

    Args:
        name: The class.
        files: Where it stands; the parent's file first where it adds to its parent. A parent of another name, whose
            docstring is not for readers, has a name that ends in this one.
    """
    written = [f"## {name}\n"]
    for file in files:
        tree = ast.parse(file.read_text(encoding="utf-8"))
        nodes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
        node = nodes.get(name) or next(node for other, node in nodes.items() if other.endswith(name))
        if node.name == name and (docstring := ast.get_docstring(node)):
            written.append(_as_markdown(docstring))
        written += [
            f"### `{_signature(member)}`\n\n{_as_markdown(ast.get_docstring(member) or '')}"
            for member in node.body
            if isinstance(member, ast.FunctionDef) and _is_for_people(member)
        ]
    return "\n".join(written)


class _Section(StrEnum):
    """The parts of a docstring that have a heading."""

    ARGS = "Args"
    RETURNS = "Returns"
    YIELDS = "Yields"
    RAISES = "Raises"
    EXAMPLE = "Example"


_HEADINGS = {f"{section.value}:": section for section in _Section}


def _error_class(node: ast.ClassDef, parent: ErrorClass) -> ErrorClass:
    own: dict[str, Any] = {
        line.targets[0].id: line.value.value
        for line in node.body
        if isinstance(line, ast.Assign)
        and isinstance(line.targets[0], ast.Name)
        and isinstance(line.value, ast.Constant)
    }
    return ErrorClass(
        node.name,
        own.get("code", parent.code),
        own.get("status", parent.status),
        own.get("exit_code", parent.exit_code),
        (ast.get_docstring(node) or "").partition("\n\n")[0].replace("\n", " "),
    )


def _is_for_people(member: ast.FunctionDef) -> bool:
    hidden = member.name.startswith("_") or member.name in KERAS_HOOKS
    return not hidden and ast.get_docstring(member) is not None


def _signature(function: ast.FunctionDef) -> str:
    if any(isinstance(mark, ast.Name) and mark.id == "property" for mark in function.decorator_list):
        return function.name
    arguments = function.args
    for argument in [*arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]:
        if argument is not None:
            argument.annotation = None
    first, _, others = ast.unparse(arguments).partition(", ")
    return f"{function.name}({others if first in ('self', 'cls') else ast.unparse(arguments)})"


def _as_markdown(docstring: str) -> str:
    """A docstring's text and lists. Examples stay where they are tested, unless they are doctests."""
    written: list[str] = []
    for section, lines in _sections(docstring):
        text = "\n".join(lines).strip()
        if section is None:
            written.append(text)
        elif section is _Section.EXAMPLE:
            written.append(f"```pycon\n{text}\n```" if text.startswith(">>>") else "")
        elif section in (_Section.ARGS, _Section.RAISES):
            written.append(f"{section.value}:\n\n" + "\n".join(f"- `{name}`: {rest}" for name, rest in _items(lines)))
        else:
            written.append(f"{section.value}: {' '.join(text.split())}")
    return "\n\n".join(part for part in written if part) + "\n"


def _sections(docstring: str) -> Iterator[tuple[_Section | None, list[str]]]:
    section: _Section | None = None
    lines: list[str] = []
    for line in docstring.splitlines():
        if line in _HEADINGS or (section is not None and line and not line.startswith(" ")):
            yield section, lines
            section, lines = _HEADINGS.get(line), [] if line in _HEADINGS else [line]
        else:
            lines.append(line if section is None else line.removeprefix("    "))
    yield section, lines


def _items(lines: Iterable[str]) -> Sequence[tuple[str, str]]:
    items: list[tuple[str, str]] = []
    for line in lines:
        if line and not line.startswith(" "):
            name, _, text = line.partition(": ")
            items.append((name, text))
        elif line.strip():
            items[-1] = (items[-1][0], f"{items[-1][1]} {line.strip()}")
    return items
