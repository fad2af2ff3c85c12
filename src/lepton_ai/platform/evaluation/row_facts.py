"""What a report may know of the rows beside truth and predictions: groups, clusters, time, columns."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from numpy.typing import NDArray

from lepton_ai.platform.preprocessing.column import Role
from lepton_ai.platform.preprocessing.schema import Schema


@dataclass(frozen=True)
class RowFacts:
    """What is known of the rows beside truth and predictions; arrays `(rows,)`, missing as NaN, NaT or None.

    Args:
        groups: Columns to compare groups by, such as those of role sensitive.
        clusters: Which rows belong together (a patient, a machine) and so are not independent.
        time: When each row was: numbers or dates.
        columns: Columns to look for the worst slices in.
    """

    groups: Mapping[str, Any] = field(default_factory=dict)
    clusters: Any = None
    time: Any = None
    columns: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, schema: Schema, columns: Mapping[str, NDArray[Any]]) -> Self:
        """What the roles of a schema say about the columns of a table.

        Sensitive columns are compared by, rows of one group are a cluster, and slices are looked for in the features
        and in what is sensitive. Columns that are not there are passed over.

        Example:

            >>> import numpy as np
            >>> from lepton_ai.platform.preprocessing.column import Column, Kind
            >>> person = Column("person", Kind.NUMBER, frozenset({Role.GROUP}))
            >>> age = Column("age", Kind.NUMBER, frozenset({Role.SENSITIVE}))
            >>> table = {"person": np.array([1.0, 2.0]), "age": np.array([31.0, 64.0])}
            >>> facts = RowFacts.of(Schema((person, age)), table)
            >>> list(facts.groups), list(facts.columns), facts.clusters
            (['age'], ['age'], array([1., 2.]))
        """

        def having(*roles: Role) -> dict[str, NDArray[Any]]:
            chosen = [column.name for column in schema.columns if column.roles & set(roles)]
            return {name: columns[name] for name in chosen if name in columns}

        groups, times = list(having(Role.GROUP).values()), list(having(Role.TIME).values())
        return cls(
            groups=having(Role.SENSITIVE),
            clusters=groups[0] if groups else None,
            time=times[0] if times else None,
            columns=having(Role.FEATURE, Role.SENSITIVE),
        )
