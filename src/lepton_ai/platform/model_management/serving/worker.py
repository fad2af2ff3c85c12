"""The thread that runs the model, so that the event loop stays free to answer."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


class Runs(Protocol):
    """Something that turns rows into outputs and takes its time: an `Engine`, or a test's own."""

    def run(self, rows: NDArray[np.float32]) -> NDArray[Any]: ...


class Predictor(Protocol):
    """What the routes ask for outputs. How requests share the model is decided behind it."""

    async def predict(self, rows: NDArray[np.float32]) -> NDArray[Any]:
        """The model's output for each row, `(batch, *output_shape)` for `(batch, *row_shape)`."""
        ...


class ModelWorker:
    """Runs one request after the other in one thread.

    Args:
        engine: The model.
    """

    def __init__(self, engine: Runs) -> None:
        self._engine = engine
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="model")
        self._running = 0

    async def predict(self, rows: NDArray[np.float32]) -> NDArray[Any]:
        """The model's output for each row. See `Predictor`."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, self._run, rows)

    def stop(self) -> bool:
        """Take no more work and forget what has not begun.

        Returns:
            Whether the thread is idle. A run that has begun cannot be stopped.
        """
        self._executor.shutdown(wait=False, cancel_futures=True)
        return self._running == 0

    def _run(self, rows: NDArray[np.float32]) -> NDArray[Any]:
        self._running += 1
        try:
            return self._engine.run(rows)
        finally:
            self._running -= 1
