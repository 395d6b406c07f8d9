"""Runs forward passes as CUDA graphs: the CPU launches a whole pass at once, not each of its kernels.

A GPU computes a small model, or a short batch, in less time than the CPU needs to launch the kernels one by one. The passes
of a generation differ only in the prompt, so one of them is captured as a graph, which is replayed for the others.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from dfo_prompt.lm.host_syncs import HostSyncs
from dfo_prompt.lm.memory import out_of_memory

Forward = Callable[[Tensor], Tensor]
"""Returns the scores (N', K) of some texts under one prompt (H', P, E)."""

FEWEST = 4
"""The smallest number of prompts for which a pass is captured, which takes about as long as a pass."""


class CudaGraphs:
    """Runs the same pass under many prompts, and replays it as a CUDA graph if that gives the same scores, bit by bit.

    Args:
        model: the model that the passes run. Only passes of a model on a single CUDA device are captured.
    """

    def __init__(self, model: Any) -> None:
        devices = {parameter.device for parameter in model.parameters()}
        self._capturer = GraphCapturer(*devices) if len(devices) == 1 and next(iter(devices)).type == "cuda" else None
        # Whether passes synchronize with the host. It is known before one is captured: in some versions of torch, a capture
        # that fails leaves the random generator of the GPU unusable.
        self._synchronizes: bool | None = None

    def each(self, prompts: Tensor, run: Forward) -> Tensor:
        """Return the scores (B, N', K) of some texts under prompts (B, H', P, E).

        If memory is exhausted, captured graphs give theirs back, and the passes are tried again if earlier calls kept some.

        Raises:
            RuntimeError: the pass fails.
        """
        while True:
            kept = self._capturer is not None and self._capturer.holds_memory
            try:
                return self._each(prompts, run)
            except RuntimeError as error:
                if self._capturer is None or not out_of_memory(error):
                    raise
                self._capturer.free()
                if not kept:
                    raise

    def _each(self, prompts: Tensor, run: Forward) -> Tensor:
        if self._capturer is None or len(prompts) < FEWEST:
            return torch.stack([run(prompt) for prompt in prompts])
        with self._capturer.stream():
            first = run(prompts[0])
            if self._synchronizes is None:
                with HostSyncs() as syncs:
                    run(prompts[0])
                self._synchronizes = bool(syncs.found)
            replay = None if self._synchronizes else self._capturer.capture(prompts[0], run)
            if replay is None or not torch.allclose(replay(prompts[0]), first, rtol=0, atol=0, equal_nan=True):
                self._capturer, replay = None, run
            return torch.stack([first, *map(replay, prompts[1:])])


class GraphCapturer:
    """Captures passes as CUDA graphs.

    Args:
        device: the CUDA device that they run on.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device)
        # The next graph takes over the memory of the last one, which is not replayed again. Its destruction frees the
        # workspace of cuBLAS for this stream, which the next graph uses, so it outlives the replays of that one.
        self._last: torch.cuda.CUDAGraph | None = None
        self._before: torch.cuda.CUDAGraph | None = None

    @contextmanager
    def stream(self) -> Iterator[None]:
        """Run on a stream of its own inside a `with` block, as captures must."""
        self._before = None
        here = torch.cuda.current_stream(self._device)
        self._stream.wait_stream(here)
        try:
            with torch.cuda.stream(self._stream):
                yield
        finally:
            here.wait_stream(self._stream)

    @property
    def holds_memory(self) -> bool:
        """Tell whether the memory of a captured graph is kept."""
        return self._last is not None

    def free(self) -> None:
        """Give back the memory of captured graphs, which are not replayed any more."""
        self._last = self._before = None

    def capture(self, prompt: Tensor, run: Forward) -> Forward | None:
        """Return a function that replays `run`, until the next capture; None if it cannot be captured.

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
        except RuntimeError as error:  # for a reason that `HostSyncs` does not know
            if out_of_memory(error):
                raise
            return None
        self._before, self._last = self._last, graph

        def replay(prompt: Tensor) -> Tensor:
            given.copy_(prompt)
            graph.replay()
            return scores.clone()

        return replay
