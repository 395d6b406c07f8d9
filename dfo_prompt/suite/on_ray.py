"""The executor of a Ray cluster (Moritz et al., 2018): actors on its nodes run studies, each in a process of its own."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from logging import ERROR
from math import inf
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import ray
from ray import exceptions
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from dfo_prompt.errors import InputError, StudyError, one_line
from dfo_prompt.plugin.catalogue import given_files
from dfo_prompt.suite.executor import Event, Order
from dfo_prompt.suite.on_node import Nonce, Runner
from dfo_prompt.suite.plan import Plan
from dfo_prompt.suite.process import thread_variables

LOST = (exceptions.RayActorError, exceptions.NodeDiedError)
"""Errors of an actor that are not the study's fault, unless the actor could not be started."""
LOOK_SECONDS = 1.0
"""The shortest time between two looks at the cluster's resources."""
CHECK_SECONDS = 120.0
"""The time limit for all nodes to check that they share the suite folder."""


class RayCluster:
    """Runs studies on the nodes of a Ray cluster, which share the file system of the suite's folder; an `Executor`.

    Args:
        jobs: number of studies submitted to the cluster at a time, where they may wait; None means as many as fit.
        threads: see `open_executor`.
        folder: see `open_executor`.
        address: address of the cluster's head, "HOST:PORT"; "auto" uses RAY_ADDRESS, or this machine.
        cpus: CPUs that Ray reserves for a study; None means one per thread.
        gpus: GPUs that Ray reserves for a study, the only ones that it sees; a fraction lets studies share a GPU.

    Raises:
        InputError: a number is negative, there is no cluster, a node does not share the folder, or no node is large enough
            for a study; or studies reserve nothing, and `jobs` is None.
    """

    def __init__(
        self,
        *,
        jobs: int | None,
        threads: int | None,
        folder: Path | None,
        address: str = "auto",
        cpus: float | None = None,
        gpus: float = 0.0,
    ) -> None:
        self._jobs, self._variables = jobs, thread_variables(threads)
        self._needs = {"CPU": float(threads or 1) if cpus is None else cpus, "GPU": gpus}
        self._check_needs()
        self._idle: list[_Slot] = []
        self._busy: dict[Any, _Slot] = {}
        self._looked, self._capacity = -LOOK_SECONDS, 0
        self._joined = _join(address)
        self._nonce = Nonce.written(folder)
        try:
            self._check()
        except BaseException:
            self.close()
            raise

    def room(self) -> Sequence[str]:
        """Return the groups of idle actors, and "" for each actor that still fits on the current nodes."""
        if self._jobs is None and monotonic() - self._looked >= LOOK_SECONDS:
            self._looked, self._capacity = monotonic(), _capacity(self._needs)
        capacity = self._capacity if self._jobs is None else self._jobs
        return [slot.plan.group for slot in self._idle] + [""] * (capacity - len(self._idle) - len(self._busy))

    def begin(self, order: Order) -> None:
        """Give the order to an idle actor, preferably one with the same objective loaded, or to a new actor."""
        self._idle.sort(key=lambda slot: slot.plan.group == order.plan.group)
        actor = self._idle.pop().actor if self._idle else self._new_actor()
        self._busy[actor.carry_out.options(num_returns="streaming").remote(order)] = _Slot(actor=actor, plan=order.plan)

    def wait(self, seconds: float) -> Sequence[tuple[str, Event]]:
        """Return the events of the actors, including how one ended."""
        while self._idle:  # there was no order for them, and they keep resources that another actor may wait for
            ray.kill(self._idle.pop().actor)
        if not self._busy:
            sleep(seconds)
            return []
        first, rest = ray.wait([*self._busy], num_returns=1, timeout=seconds, fetch_local=False)
        ready = [*first, *(ray.wait(rest, num_returns=len(rest), timeout=0, fetch_local=False)[0] if first and rest else ())]
        return [(self._busy[stream].plan.id, self._take(stream)) for stream in ready]

    def stop(self, study: str) -> None:
        """Kill the actor of a study, and with it the process that the actor started."""
        for stream in [stream for stream, slot in self._busy.items() if slot.plan.id == study]:
            ray.kill(self._busy.pop(stream).actor)

    def close(self) -> None:
        """Kill all actors, and leave the cluster if this executor joined it."""
        for slot in (*self._idle, *self._busy.values()):
            with suppress(exceptions.RayError):
                ray.kill(slot.actor)
        self._idle, self._busy = [], {}
        if self._nonce.path:
            self._nonce.path.unlink(missing_ok=True)
        if self._joined:
            ray.shutdown()

    def _new_actor(self) -> Any:
        options = {"num_cpus": self._needs["CPU"], "num_gpus": self._needs["GPU"]}
        return ray.remote(Runner).options(**options).remote(self._nonce, given_files(), self._variables)

    def _take(self, stream: Any) -> Event:
        try:
            event: Event = ray.get(next(stream))
        except InputError:  # a node that joined later does not share the folder
            raise
        except exceptions.RayError as error:
            event = _end(error)
        except StopIteration:
            event = Event(finished=True, error="its actor ended without a result")
        if event.finished:
            slot = self._busy.pop(stream)
            if event.error:
                ray.kill(slot.actor)
            else:
                self._idle.append(slot)
        return event

    def _check_needs(self) -> None:
        for name, count in self._needs.items():
            if not 0 <= count < inf:
                raise InputError(f"executor 'ray': {name.lower()}s must be a number from 0 on, not {count:g}")
        if self._jobs is None and not any(self._needs.values()):
            raise InputError("executor 'ray': studies without CPUs and GPUs fit everywhere in any number; give --jobs")

    def _check(self) -> None:
        nodes = [node for node in ray.nodes() if node["Alive"]]
        checks = [_on_node(node["NodeID"], self._nonce) for node in nodes]
        _, silent = ray.wait(checks, num_returns=len(checks), timeout=CHECK_SECONDS)
        if silent:
            raise StudyError(f"{len(silent)} of {len(nodes)} nodes of the Ray cluster do not answer")
        try:
            faults = ray.get(checks)
        except exceptions.RayError as error:
            raise InputError(f"a node of the Ray cluster cannot run dfo-prompt: {one_line(error)}") from error
        for fault in filter(None, faults):
            raise InputError(fault)
        if self._jobs is None and not _capacity(self._needs):
            wanted = ", ".join(f"{count:g} {name}" for name, count in self._needs.items() if count)
            raise InputError(f"no node of the Ray cluster has {wanted}; where nodes are added on demand, give --jobs")


@dataclass(frozen=True, kw_only=True)
class _Slot:
    """An actor on a node and the plan of its last order."""

    actor: Any
    plan: Plan


def _end(error: exceptions.RayError) -> Event:
    """Return the last event of an order that ended with this error."""
    if isinstance(error, LOST) and not getattr(error, "actor_init_failed", False):
        return Event(finished=True, lost=True, error=f"its node was lost ({type(error).__name__})")
    return Event(finished=True, error=one_line(getattr(error, "cause", None) or error))


def _on_node(node: str, nonce: Nonce) -> Any:
    """Start the check of a node."""
    strategy = NodeAffinitySchedulingStrategy(node_id=node, soft=False)
    return ray.remote(Nonce.fault).options(num_cpus=0, max_retries=0, scheduling_strategy=strategy).remote(nonce)


def _capacity(needs: Mapping[str, float]) -> int:
    """Return the number of studies that fit on the nodes."""
    wanted = {name: count for name, count in needs.items() if count}
    alive = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return sum(int(min(has.get(name, 0.0) / count for name, count in wanted.items())) for has in alive)


def _join(address: str) -> bool:
    """Join a cluster, unless this process is already in one; return whether it joined."""
    if ray.is_initialized():
        return False
    try:
        ray.init(address=address, log_to_driver=False, logging_level=ERROR)
    except (OSError, RuntimeError, ValueError, exceptions.RayError) as error:
        raise InputError(f"no Ray cluster at {address!r} can be joined: {one_line(error)}") from error
    return True
