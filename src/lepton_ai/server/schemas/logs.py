"""Log history on the wire, in the form that Loki answers."""

from typing import Annotated

from pydantic import Field

from lepton_ai.server.schemas.common import Body


class LogStream(Body):
    """The lines of one worker."""

    stream: dict[str, str]
    values: Annotated[
        list[tuple[str, str]], Field(description="Pairs of a time in nanoseconds since 1970, as text, and a line.")
    ]


class LogResult(Body):
    """The lines that were found, by worker."""

    resultType: str = "streams"  # noqa: N815 - Loki's name
    result: list[LogStream]


class LogAnswer(Body):
    """The answer of `GET /logs`."""

    status: str = "success"
    data: LogResult
