"""Data that comes in batches of its own making: what can be told of it without using it up is checked."""

from itertools import chain
from types import GeneratorType
from typing import Any

from lepton_ai.core.errors import InvalidInput
from lepton_ai.platform.frameworks.backend import keras, tf
from lepton_ai.platform.frameworks.intake import Intake
from lepton_ai.platform.frameworks.table_intake import TableIntake


def is_stream(data: Any) -> bool:
    """Whether data comes in batches of its own making (tf.data, generator, Keras' PyDataset, torch's DataLoader).

    Such data goes to Keras as it is: it cannot be looked at without consuming it.
    """
    if isinstance(data, tf.data.Dataset | keras.utils.PyDataset | GeneratorType):
        return True
    return type(data).__name__ == "DataLoader" or type(data).__module__.split(".")[0] == "grain"


def batches_in(stream: Any) -> int | None:
    """How many batches a stream gives in one pass, None if it does not know."""
    if isinstance(stream, keras.utils.PyDataset):
        count = stream.num_batches
        return None if count is None else int(count)
    try:
        return len(stream)
    except TypeError:
        return None


def checked_stream(stream: Any, intake: Intake | TableIntake | None, *, field: str = "x") -> Any:
    """A stream whose first batch is what the model takes; later ones are Keras' to look at.

    Of a generator the first batch is looked at and handed on, of a `tf.data` set its description. A stream of anything
    else comes through as it is.

    Args:
        stream: The stream.
        intake: What checks rows and labels; None where they cannot be checked.
        field: The name to use in messages.

    Raises:
        InvalidInput: It gives no batch, or the first one is no `(x, y)` of the right shape.
    """
    if isinstance(stream, GeneratorType):
        first = next(stream, None)
        if first is None:
            raise InvalidInput(f"`{field}` must give batches, got none", hint="A generator can be used once only.")
        if not isinstance(first, tuple) or len(first) not in (2, 3):
            came = f"a tuple of {len(first)}" if isinstance(first, tuple) else type(first).__name__
            raise InvalidInput(
                f"`{field}` must give batches (x, y) or (x, y, sample_weight), got {came}", hint="yield rows, labels"
            )
        if isinstance(intake, Intake):
            intake.labelled(*first, fields=_fields(field))
        return (batch for batch in chain([first], stream))
    if isinstance(stream, tf.data.Dataset) and int(stream.cardinality()) == 0:
        raise InvalidInput(f"`{field}` must give batches, got an empty data set")
    return stream


def _fields(field: str) -> tuple[str, str, str]:
    name = f"{field}, first batch"
    return f"{name}[0]", f"{name}[1]", f"{name}[2]"
