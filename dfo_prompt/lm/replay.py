"""Replays forward passes on CUDA as graphs: the processor launches a whole pass at once, not each of its kernels.

A GPU computes a small model, or a short batch, in less time than the processor needs to launch the kernels one by one. The
passes of a generation differ only in the prompt, so that one is recorded and the others are replays.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from dfo_prompt.lm.memory import out_of_memory
from dfo_prompt.lm.waits import Waits

Forward = Callable[[Tensor], Tensor]
"""Returns the scores (N', K) of some texts under one prompt (H', P, E)."""

FEWEST = 4
"""The smallest number of prompts for which a pass is recorded, which takes about as long as a pass."""


class Replays:
    """Runs the same pass under many prompts, as replays of a recorded pass where they give the same scores, bit by bit.

    Args:
        model: the model that the passes run. Only those of a model on a single CUDA device are recorded.
    """

    def __init__(self, model: Any) -> None:
        devices = {parameter.device for parameter in model.parameters()}
        self._graphs = Graphs(*devices) if len(devices) == 1 and next(iter(devices)).type == "cuda" else None
        # Whether passes wait for the GPU. It is known before one is recorded: in some versions of torch, a recording that
        # fails leaves the random generator of the GPU unusable.
        self._waits: bool | None = None

    def each(self, prompts: Tensor, run: Forward) -> Tensor:
        """Return the scores (B, N', K) of some texts under prompts (B, H', P, E).

        Raises:
            RuntimeError: the pass fails. If memory is exhausted, recorded passes have given theirs back.
        """
        try:
            return self._each(prompts, run)
        except RuntimeError as error:
            if self._graphs and out_of_memory(error):
                self._graphs.free()
            raise

    def _each(self, prompts: Tensor, run: Forward) -> Tensor:
        if self._graphs is None or len(prompts) < FEWEST:
            return torch.stack([run(prompt) for prompt in prompts])
        with self._graphs.stream():
            first = run(prompts[0])
            if self._waits is None:
                with Waits() as waits:
                    run(prompts[0])
                self._waits = bool(waits.found)
            replay = None if self._waits else self._graphs.record(prompts[0], run)
            if replay is None or not torch.allclose(replay(prompts[0]), first, rtol=0, atol=0, equal_nan=True):
                self._graphs, replay = None, run
            return torch.stack([first, *map(replay, prompts[1:])])


class Graphs:
    """Records passes as CUDA graphs.

    Args:
        device: the CUDA device that they run on.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device)
        # The next recording takes over the memory of the last one, which is not replayed again. Its destruction frees the
        # workspace of cuBLAS for this stream, which the next recording uses, so it outlives that one's replays.
        self._last: torch.cuda.CUDAGraph | None = None
        self._before: torch.cuda.CUDAGraph | None = None

    @contextmanager
    def stream(self) -> Iterator[None]:
        """Run on a stream of its own inside a `with` block, as recordings must."""
        self._before = None
        here = torch.cuda.current_stream(self._device)
        self._stream.wait_stream(here)
        try:
            with torch.cuda.stream(self._stream):
                yield
        finally:
            here.wait_stream(self._stream)

    def free(self) -> None:
        """Give back the memory of recorded passes, which are not replayed any more."""
        self._last = self._before = None

    def record(self, prompt: Tensor, run: Forward) -> Forward | None:
        """Return a function that replays `run`, until the next recording; None if it cannot be recorded.

        Raises:
            RuntimeError: memory is exhausted.
        """
        given, graph = prompt.clone(), torch.cuda.CUDAGraph()
        try:
            graph.capture_begin(self._last.pool() if self._last else None, capture_error_mode="thread_local")
            try:
                scores = run(given)
            finally:
                graph.capture_end()
        except RuntimeError as error:  # for a reason that `Waits` does not know
            if out_of_memory(error):
                raise
            return None
        self._before, self._last = self._last, graph

        def replay(prompt: Tensor) -> Tensor:
            given.copy_(prompt)
            graph.replay()
            return scores.clone()

        return replay
