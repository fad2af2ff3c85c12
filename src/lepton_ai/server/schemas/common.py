"""What all bodies share: unknown fields are refused, and numbers are numbers."""

from pydantic import BaseModel, ConfigDict


class Body(BaseModel):
    """A request or answer body. A misspelt field is an error, not a silent default."""

    model_config = ConfigDict(extra="forbid", strict=True, protected_namespaces=())
