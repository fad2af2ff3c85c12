"""The document `preprocessing.json` of a model version: how rows of named values become what the model takes."""

from collections.abc import Mapping
from typing import Any

from lepton_ai.core.errors import InvalidInput
from lepton_ai.platform.preprocessing.columns import Columns
from lepton_ai.platform.preprocessing.schema import Schema
from lepton_ai.platform.preprocessing.text_transform import TextTransform, is_text
from lepton_ai.platform.preprocessing.transform import Transform

VERSION = 1

Preprocessing = Transform | TextTransform


def learn_preprocessing(schema: Schema, columns: Columns) -> Preprocessing:
    """What turns rows of this schema into numbers, learned from training rows."""
    return TextTransform(schema) if is_text(schema) else Transform.fit(schema, columns)


def preprocessing_document(preprocessing: Preprocessing | None) -> dict[str, Any]:
    """The document; for a model that takes numbers as they are, one without steps."""
    return preprocessing.to_json() if preprocessing is not None else {"version": VERSION, "steps": []}


def read_preprocessing(document: Mapping[str, Any]) -> Preprocessing | None:
    """Read a document.

    Returns:
        None for a model that takes numbers as they are.

    Raises:
        InvalidInput: It is no such document.

    Example:

        >>> read_preprocessing({"version": 1, "steps": []}) is None
        True
    """
    if not isinstance(document, Mapping):
        raise InvalidInput(f"a preprocessing must be an object, got {type(document).__name__}")
    if "schema" not in document:
        if document.get("version") != VERSION or document.get("steps"):
            raise InvalidInput(f"a preprocessing without a schema must be of version {VERSION} and have no steps")
        return None
    return TextTransform.from_json(document) if "encoders" not in document else Transform.from_json(document)
