"""The public `Model`: a Keras model that can be registered and deployed."""

from typing import TYPE_CHECKING, Any

from lepton_ai.platform.frameworks import model as frameworks
from lepton_ai.platform.frameworks.backend import keras

if TYPE_CHECKING:
    from lepton_ai.platform.evaluation.card import CardFacts
    from lepton_ai.sdk.cloud import Cloud
    from lepton_ai.sdk.endpoints import Endpoint
    from lepton_ai.sdk.models import ModelVersion


@keras.saving.register_keras_serializable(package="lepton_ai", name="Model")
class Model(frameworks.Model):
    __doc__ = frameworks.Model.__doc__

    def push(
        self, name: str, *, cloud: "Cloud | None" = None, message: str = "", facts: "CardFacts | None" = None
    ) -> "ModelVersion":
        """Register this model as a new, immutable version, with its last `report` where there is one.

        Args:
            name: What to register it under.
            cloud: Where; by default the cloud that `lepton` commands speak to.
            message: Why this version was made.
            facts: What only people know of it, for its card: what it is for, where it fails, the licence of its data.

        Returns:
            The version; `str(version)` names it, as `digits:3`.

        Raises:
            Unavailable: No cloud answers.
            LeptonError: The exported model does not agree with this one to 1e-4, or cannot be exported.
        """
        from lepton_ai.sdk.cloud import Cloud

        return (cloud or Cloud()).push(self, name, message=message, facts=facts)

    def deploy(self, name: str, *, cloud: "Cloud | None" = None, **options: Any) -> "Endpoint":
        """Register this model and put it behind an endpoint of the same name. `Cloud.deploy` has the options."""
        from lepton_ai.sdk.cloud import Cloud

        where = cloud or Cloud()
        return where.deploy(where.push(self, name), name=name, **options)

    def _repr_html_(self) -> str:
        from lepton_ai.sdk.notebook import model_html

        return model_html(self)
