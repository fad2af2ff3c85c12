"""The model card in CycloneDX's form (its `modelCard` object, versions 1.5 to 1.7), written from a report. Pure.

The object descends from "Model Cards for Model Reporting" (Mitchell et al., 2019): what a model is for, what it was
trained on, how well it does, for whom, and what speaks against it. What only people know (`CardFacts`) is given; every
number comes from the report, which the card names by its SHA-256.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from lepton_ai.core.errors import InvalidInput
from lepton_ai.platform.evaluation.measuring import MODEL
from lepton_ai.platform.evaluation.remarks import GROUP_WORDS, clear_differences
from lepton_ai.platform.evaluation.report import Report
from lepton_ai.platform.evaluation.report_parts import Estimate, Group
from lepton_ai.platform.evaluation.wording import share, with_interval

_NAMESPACE = "lepton-ai"
_PROMISES = (
    "Measured on rows like those of the report; where the world changes, the numbers no longer hold",
    "Intervals are 95 % intervals of this one model; training again with another seed gives another model",
)


@dataclass(frozen=True)
class TrainingData:
    """What people know of the data.

    Args:
        name: What the data are called.
        licence: Under which terms they may be used, best as an SPDX name such as "CC-BY-4.0".
        description: What they are: where from, when, of whom.
        source: Where they can be found.
        sensitive: What in them is sensitive, in words.
    """

    name: str
    licence: str
    description: str = ""
    source: str = ""
    sensitive: tuple[str, ...] = ()


@dataclass(frozen=True)
class CardFacts:
    """What people know of a model and no measurement can tell.

    Args:
        use_cases: What it is for.
        users: Who is to use it.
        limits: What it is not for, and where it is known to fail.
        risks: What could go wrong, each with what is done against it.
        data: What it was trained on.

    Example:

        >>> facts = CardFacts(use_cases=("Sort letters by their postcode",), data=TrainingData("mnist", "CC-BY-SA-3.0"))
        >>> CardFacts.from_json(facts.to_json()) == facts
        True
    """

    use_cases: tuple[str, ...]
    users: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()
    risks: Mapping[str, str] = field(default_factory=dict)
    data: TrainingData | None = None

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        lists = {name: list(getattr(self, name)) for name in ("use_cases", "users", "limits")}
        data = None if self.data is None else asdict(self.data) | {"sensitive": list(self.data.sensitive)}
        return {**lists, "risks": dict(self.risks), "data": data}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote, or what a person wrote by hand; what is left out is empty.

        Raises:
            InvalidInput: `use_cases` is missing, or something is of the wrong kind.
        """
        from pydantic import TypeAdapter, ValidationError

        try:
            facts: Self = TypeAdapter(cls).validate_python(value)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            raise InvalidInput(
                f"not the facts of a model card: {place}: {first['msg']}",
                hint='Such as {"use_cases": ["…"], "limits": ["…"], "data": {"name": "…", "licence": "CC-BY-4.0"}}.',
            ) from error
        return facts


def cyclonedx_model_card(
    parameters: Mapping[str, Any],
    *,
    facts: CardFacts | None = None,
    report: Report | None = None,
    report_sha256: str | None = None,
    metrics: Mapping[str, float | None] | None = None,
    data: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """CycloneDX's `modelCard`, as JSON values.

    Args:
        parameters: Its `modelParameters` without the data: task, architecture, inputs, outputs.
        facts: What only people know.
        report: What was measured.
        report_sha256: The SHA-256 of the report's file, by which it is named.
        metrics: Numbers to show where there is no report.
        data: What the training recorded of its data, by name, such as rows and fingerprint.
    """
    card: dict[str, Any] = {"modelParameters": {**parameters, "datasets": _datasets(facts, data or {})}}
    if not card["modelParameters"]["datasets"]:
        del card["modelParameters"]["datasets"]
    if report is not None:
        measured = [*_metrics_of(report), *_metrics_by_group(report)]
    else:
        measured = [{"type": name, "value": str(value)} for name, value in sorted((metrics or {}).items())]
    card["quantitativeAnalysis"] = {"performanceMetrics": measured}
    considerations = _considerations(facts, report)
    if considerations:
        card["considerations"] = considerations
    if report_sha256 is not None:
        card["properties"] = [_property("report:sha256", report_sha256)]
    return card


def _datasets(facts: CardFacts | None, recorded: Mapping[str, str]) -> list[dict[str, Any]]:
    known = None if facts is None else facts.data
    if known is None and not recorded:
        return []
    properties = [_property(f"data:{name}", value) for name, value in recorded.items()]
    dataset: dict[str, Any] = {"type": "dataset"}
    if known is not None:
        properties.insert(0, _property("data:licence", known.licence))
        dataset |= {"name": known.name}
        dataset |= {"description": known.description} if known.description else {}
        dataset |= {"sensitiveData": list(known.sensitive)} if known.sensitive else {}
    contents: dict[str, Any] = {"properties": properties}
    if known is not None and known.source:
        contents["url"] = known.source
    return [dataset | {"contents": contents}]


def _metrics_of(report: Report) -> Iterator[dict[str, Any]]:
    for measured in report.metrics:
        for who, estimate in {MODEL: measured.model, **measured.baselines}.items():
            kind = measured.name if who == MODEL else f"{measured.name} ({who} baseline)"
            yield from _metric(kind, estimate)


def _metrics_by_group(report: Report) -> Iterator[dict[str, Any]]:
    for group in report.groups:
        for name, estimate in group.measures.items():
            yield from _metric(name, estimate, slice_=f"{group.column}: {group.text}")


def _metric(kind: str, estimate: Estimate, slice_: str | None = None) -> Iterator[dict[str, Any]]:
    if estimate.value is None:
        return
    metric: dict[str, Any] = {"type": kind, "value": repr(estimate.value)}
    if slice_ is not None:
        metric["slice"] = slice_
    if estimate.low is not None and estimate.high is not None:
        metric["confidenceInterval"] = {"lowerBound": repr(estimate.low), "upperBound": repr(estimate.high)}
    yield metric


def _considerations(facts: CardFacts | None, report: Report | None) -> dict[str, Any]:
    found: dict[str, list[Any]] = {
        "users": [] if facts is None else list(facts.users),
        "useCases": [] if facts is None else list(facts.use_cases),
        "technicalLimitations": [] if facts is None else list(facts.limits),
        "performanceTradeoffs": [],
        "ethicalConsiderations": []
        if facts is None
        else [{"name": name, "mitigationStrategy": done} for name, done in facts.risks.items()],
        "fairnessAssessments": [],
    }
    if report is not None:
        found["technicalLimitations"] += [*_PROMISES, *(each.text for each in report.remarks if each.is_warning)]
        found["performanceTradeoffs"] += _trade_offs(report)
        clear = list(clear_differences(report))
        for group in report.groups:
            found["fairnessAssessments"].append(_assessment(group, [name for each, name in clear if each is group]))
    return {name: values for name, values in found.items() if values}


def _trade_offs(report: Report) -> Iterator[str]:
    rows = () if report.answers is None else report.answers.thresholds
    for row in rows:
        if row.is_chosen:
            yield (
                f"At the threshold of {row.threshold:g}, {share(row.sensitivity)} of the second class are found and "
                f"{share(row.specificity)} of the first are left alone; another threshold trades one for the other"
            )


def _assessment(group: Group, clear: Sequence[str]) -> dict[str, Any]:
    who = {"groupAtRisk": f"{group.column}: {group.text}"}
    if group.is_small:
        return {**who, "harms": f"Not known: {group.rows} rows, or all others, are too few to conclude from"}
    if not clear:
        return {**who, "harms": "None that these rows show: no measure clearly differs from that of all other rows"}
    said = "; ".join(f"{GROUP_WORDS[name]} {with_interval(group.differences[name], sign=True)}" for name in clear)
    return {**who, "harms": f"Differs from all other rows: {said}", "mitigationStrategy": "None was applied"}


def _property(name: str, value: str) -> dict[str, str]:
    return {"name": f"{_NAMESPACE}:{name}", "value": value}
