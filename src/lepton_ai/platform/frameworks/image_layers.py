"""Batch norm for images that is quick to train on TensorFlow: one operation each way instead of a dozen."""

from typing import Any

from lepton_ai.platform.frameworks.backend import keras, tf


@keras.saving.register_keras_serializable(package="lepton_ai")
class ImageBatchNormalization(keras.layers.BatchNormalization):
    """Keras' batch norm, which answers as Keras' own does, with TensorFlow's fused operation while training.

    On small nets on a CPU Keras' own way, a chain of small operations, takes a tenth of a step's time. The moving
    variance is that of the batch with Bessel's correction.

    Input and output shape: `(batch, height, width, channels)`.
    """

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        if not training or not self.trainable or keras.backend.backend() != "tensorflow":
            return super().call(inputs, training=training, mask=mask)
        outputs, mean, variance = tf.compat.v1.nn.fused_batch_norm(
            inputs, self.gamma.value, self.beta.value, epsilon=self.epsilon, is_training=True
        )
        for moving, new in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving * self.momentum + new * (1 - self.momentum))
        return outputs
