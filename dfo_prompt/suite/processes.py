"""The executor of this machine."""

from collections.abc import Sequence
from pathlib import Path

from dfo_prompt.plugin.catalogue import given_files
from dfo_prompt.suite.executor import Event, Order
from dfo_prompt.suite.process import WorkerProcess, thread_variables, wait_for


class Processes:
    """Runs studies in local processes, each of which runs one study at a time; an `Executor`."""

    def __init__(self, *, jobs: int | None, threads: int | None, folder: Path | None) -> None:  # noqa: ARG002 - local processes see every folder
        self._jobs, self._variables = jobs or 1, thread_variables(threads)
        self._idle: list[WorkerProcess] = []
        self._busy: dict[str, WorkerProcess] = {}
        self._begun: list[tuple[str, Event]] = []

    def room(self) -> Sequence[str]:
        """Return the groups of idle processes, and "" for each process that can still be started."""
        for worker in [worker for worker in self._idle if not worker.alive]:
            self._idle.remove(worker)
            worker.kill()
        return [worker.group for worker in self._idle] + [""] * (self._jobs - len(self._idle) - len(self._busy))

    def begin(self, order: Order) -> None:
        """Give the order to an idle process, preferably one with the same objective loaded, or to a new process."""
        self._idle.sort(key=lambda worker: worker.group == order.plan.group)
        worker = self._idle.pop() if self._idle else WorkerProcess(given_files(), self._variables)
        self._busy[order.plan.id] = worker
        worker.begin(order)
        self._begun.append((order.plan.id, Event()))

    def wait(self, seconds: float) -> Sequence[tuple[str, Event]]:
        """Return the events of the processes, including how a process ended."""
        received, self._begun = self._begun, []
        wait_for(self._busy.values(), 0.0 if received else seconds)
        for study, worker in [*self._busy.items()]:
            events = worker.take()
            if any(event.finished for event in events):
                self._idle.append(self._busy.pop(study))  # or dead, see `room`
            received += [(study, event) for event in events]
        return received

    def stop(self, study: str) -> None:
        """Kill the process of a study."""
        self._busy.pop(study).kill()

    def close(self) -> None:
        """Kill all processes."""
        for worker in (*self._idle, *self._busy.values()):
            worker.kill()
        self._idle, self._busy = [], {}
