"""Values of variables during Keras' loop on any backend: TensorFlow runs their changes as graphs, JAX one by one."""

from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray

from lepton_ai.platform.frameworks.backend import keras, tf


def bring_up_to_date(model: Any) -> None:
    """Within an epoch, let the model's variables hold what the last step made of them, and the next step begin there.

    On JAX a step's results stay with Keras' loop until they are asked for; elsewhere they are in place always.
    """
    if keras.backend.backend() == "jax":
        model.jax_state_sync()


def graph(change: Callable[..., Any]) -> Callable[..., Any]:
    """A function of variables as one graph, where TensorFlow would else take its time for each operation."""
    is_tensorflow = keras.backend.backend() == "tensorflow"
    return tf.function(change, autograph=False, reduce_retracing=True) if is_tensorflow else change


def constant(array: NDArray[Any]) -> Any:
    """An array as the backend's functions take it, in the machine's memory rather than in a GPU's."""
    if keras.backend.backend() != "tensorflow":
        return keras.ops.convert_to_tensor(array)
    with tf.device("CPU:0"):
        return tf.constant(array)


def copy_of(variable: Any) -> Any:
    """A variable beside a variable, with its value."""
    return keras.Variable(keras.ops.copy(variable.value), trainable=False, dtype=variable.dtype)


def copy(source: Any, target: Any) -> None:
    """Give a variable the value of another. JAX's steps use up what they begin from: the value itself is copied."""
    target.assign(keras.ops.copy(source.value))


def answers_of(model: Any) -> Callable[[Any], Any]:
    """A model as a function of rows, with the weights that it has when it is called; within a graph or alone."""
    if keras.backend.backend() != "jax":
        return lambda rows: model(rows, training=False)
    import jax

    # Outside of a compiled function JAX takes one operation after another; within one, variables would be constants.
    compiled = jax.jit(lambda trained, others, rows: model.stateless_call(trained, others, rows, training=False)[0])
    variables = model.trainable_variables, model.non_trainable_variables
    return lambda rows: compiled(*([each.value for each in group] for group in variables), rows)


def each_of(count: int, measure: Callable[[Any], Any]) -> Callable[[], Any]:
    """A measure of 0, 1, 2 … as a function that answers all of them, `(count,)`."""
    if keras.backend.backend() == "tensorflow":
        return _traced_once(lambda: tf.map_fn(measure, tf.range(count), fn_output_signature=tf.float32))
    return lambda: keras.ops.stack([measure(number) for number in range(count)])


def _traced_once(change: Callable[[], Any]) -> Callable[[], Any]:
    """A graph that is made at the first call. TensorFlow takes graphs of one line of code for one function that it has
    to trace again and again, and warns of it; it does not where the graph itself is called."""
    traced: list[Callable[[], Any]] = []

    def run() -> Any:
        if not traced:
            traced.append(tf.function(change, autograph=False).get_concrete_function())
        return traced[0]()

    return run
