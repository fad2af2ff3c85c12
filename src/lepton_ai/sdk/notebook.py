"""How models, versions and endpoints look in a notebook: small tables, by day and by night. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from lepton_ai.platform.evaluation.markup import Markup, tag
from lepton_ai.server.schemas.endpoints import Deployment
from lepton_ai.server.schemas.models import ModelDetails, ModelItem, Version

Item = TypeVar("Item")

# Notebooks bring a theme of their own: letters keep its colour, lines are grey on dark and on light.
_CELL = "text-align:left;vertical-align:top;padding:.15rem .9rem .15rem 0;border:0;background:none;color:inherit"
_LINE = f"{_CELL};border-bottom:1px solid rgba(128,128,128,.4)"
_QUIET = "opacity:.7;font-weight:normal"
_MOST_LABELS, _MOST_ROWS = 12, 100


class Shown(list[Item]):
    """A list that a notebook draws as a table.

    Args:
        items: What is in it.
        draw: What to show of them.
    """

    def __init__(self, items: Iterable[Item], draw: Callable[[Sequence[Item]], str]) -> None:
        super().__init__(items)
        self._draw = draw

    def _repr_html_(self) -> str:
        return self._draw(self)


def model_html(model: Any) -> str:
    """A `Model`: what it is, what it learned from, and how its training went."""
    training = model.training_facts
    facts = {
        "architecture": model.architecture or "a net of your own",
        "task": model.task.value if model.task else "",
        "classes": _labels(model.labels or ()),
        "takes": f"{len(model.schema.features)} columns" if model.schema else _shapes(model.inputs),
        "gives": _shapes(model.outputs),
        "parameters": f"{model.count_params():,}",
        "seed": "" if model.seed is None else str(model.seed),
        "trained": _trained(training),
        "evaluated": _numbers(model.evaluation or {}),
    }
    below = []
    if model.schema is not None:
        below.append(_folded("Columns", Markup(model.schema._repr_html_())))
    if len(model.log):
        below.append(
            _folded(f"How it was trained: {_counted(len(model.log), 'decision')}", Markup(model.log._repr_html_()))
        )
    return _card(model.name, "model", facts, *below)


def version_html(name: str, details: Version) -> str:
    """A version: what it takes and gives, how good it is, and where it comes from."""
    signature = details.signature
    facts = {
        "task": str(signature["task"]),
        "classes": _labels(signature.get("labels") or ()),
        "takes": _tensors(signature["inputs"]),
        "gives": _tensors(signature["outputs"]),
        "measured": _numbers(details.metrics),
        "aliases": ", ".join(details.aliases),
        "made": f"{_when(details.created_at)} by {details.created_by}",
        "message": details.message,
    }
    return _card(name, "version", facts)


def details_html(details: ModelDetails) -> str:
    """A model with all its versions."""
    rows = [
        (
            f"{details.name}:{version.version}",
            ", ".join(version.aliases),
            _numbers(version.metrics),
            _when(version.created_at),
            version.message,
        )
        for version in details.versions
    ]
    return _table(("version", "aliases", "measured", "made", "message"), rows)


def models_html(models: Sequence[ModelItem]) -> str:
    """A list of models."""
    rows = [
        (
            model.name,
            str(model.latest),
            ", ".join(f"{alias} = {version}" for alias, version in sorted(model.aliases.items())),
            _when(model.created_at),
        )
        for model in models
    ]
    return _table(("model", "latest version", "aliases", "made"), rows)


def endpoint_html(endpoint: Deployment) -> str:
    """An endpoint: where it answers, what it serves, how it stands."""
    facts = {
        "state": f"{endpoint.status.state}: {endpoint.status.message}",
        "model": endpoint.spec.source,
        "replicas ready": _ready(endpoint),
        "address": endpoint.status.endpoint.external_endpoint,
        "made": f"{_when(endpoint.metadata.created_at)} by {endpoint.metadata.owner}",
    }
    return _card(endpoint.metadata.name, "endpoint", facts)


def endpoints_html(endpoints: Sequence[Deployment]) -> str:
    """A list of endpoints."""
    rows = [
        (each.metadata.name, each.status.state, _ready(each), each.spec.source, each.status.endpoint.external_endpoint)
        for each in endpoints
    ]
    return _table(("endpoint", "state", "ready", "model", "address"), rows)


def _card(title: str, kind: str, facts: Mapping[str, str], *below: Markup) -> Markup:
    """A heading, and what is known by name; what is empty is left out."""
    heading = tag(
        "caption", tag("b", title), " ", tag("span", kind, style=_QUIET), style="text-align:left;color:inherit"
    )
    rows = [
        tag("tr", tag("th", name, style=f"{_CELL};{_QUIET}"), tag("td", value, style=_CELL))
        for name, value in facts.items()
        if value
    ]
    return tag("div", _drawn(heading, *rows), *below)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Markup:
    head = tag("tr", *(tag("th", text, style=f"{_LINE};{_QUIET}") for text in heads))
    body = [tag("tr", *(tag("td", cell, style=_CELL) for cell in row)) for row in rows[:_MOST_ROWS]]
    rest = f"and {len(rows) - _MOST_ROWS} more" if len(rows) > _MOST_ROWS else "" if rows else "none"
    return tag("div", _drawn(head, *body), tag("span", rest, style=_QUIET))


def _drawn(*content: Markup) -> Markup:
    return tag(
        "table", *content, style="border-collapse:collapse;border:0;margin:.3rem 0;background:none;color:inherit"
    )


def _folded(summary: str, content: Markup) -> Markup:
    return tag("details", tag("summary", summary, style="cursor:pointer"), content)


def _trained(training: Any) -> str:
    if training is None:
        return "not yet"
    parts = [
        _counted(training.epochs, "epoch"),
        _counted(training.rows, "row") if training.rows is not None else "a stream of rows",
        "adaptively" if training.recipe else "as plain Keras",
    ]
    return f"{parts[0]} over {parts[1]}, {parts[2]}: {_numbers(training.logs)}"


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _labels(labels: Sequence[Any]) -> str:
    shown = ", ".join(map(str, labels[:_MOST_LABELS]))
    return shown if len(labels) <= _MOST_LABELS else f"{shown} and {len(labels) - _MOST_LABELS} more"


def _numbers(numbers: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in numbers.items())


def _shapes(tensors: Sequence[Any]) -> str:
    return ", ".join(_shape(tensor.dtype, tensor.shape) for tensor in tensors)


def _tensors(specs: Sequence[Mapping[str, Any]]) -> str:
    return ", ".join(_shape(spec["dtype"], spec["shape"]) for spec in specs)


def _shape(dtype: Any, shape: Sequence[int | None]) -> str:
    sizes = ["batch", *("any" if size is None else str(size) for size in shape[1:])]
    return f"{dtype} ({', '.join(sizes)})"


def _ready(endpoint: Deployment) -> str:
    return f"{endpoint.status.ready_replicas} of {endpoint.spec.resource_requirement.min_replicas}"


def _when(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
