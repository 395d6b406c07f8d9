"""Serves the objective of a configuration over HTTP until the process is stopped."""

import hashlib
import json
import signal
import socket
from collections.abc import Callable, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Any, get_args

import uvicorn

from dfo_prompt._util.memory import forget_peak
from dfo_prompt.config.paths import by_name
from dfo_prompt.config.study import StudyConfig
from dfo_prompt.contracts.objective import Estimating, Objective, Validated
from dfo_prompt.errors import InputError
from dfo_prompt.service.app import application
from dfo_prompt.service.clients import Client
from dfo_prompt.service.collection import Collection, Prompt
from dfo_prompt.service.engine import Engine
from dfo_prompt.service.store import Store, usable
from dfo_prompt.service.training import Training, first_prompt
from dfo_prompt.service.wire import TOLD, About, ServiceLimits, Split
from dfo_prompt.study.checked_objective import describe
from dfo_prompt.study.identity import MEASURED
from dfo_prompt.study.tariff import Tariff
from dfo_prompt.types import Vector

DEFINES = ("objective", "dim", "seed", "prompt", "objective_options")
"""Keys of a study that define its objective, besides the problem, which the objective describes itself."""


def about(
    config: StudyConfig, objective: Objective, code: dict[str, str], limits: ServiceLimits, *, gather: bool = False
) -> About:
    """Return the service's description of an objective.

    Args:
        config: the configuration of the objective.
        objective: the objective in its initial state.
        code: the code of its plugins; see `dfo_prompt.run.code`.
        limits: the limits of the service.
        gather: whether a batch may hold candidates of several clients, so that the last bits of a loss may depend on them.
    """
    description = describe(objective, name=config.objective)
    data = config.as_dict()
    facts = {key: value for key, value in description.items() if key not in MEASURED}
    whole = {**{key: data[key] for key in DEFINES}, "description": facts, "code": code}
    hashed = hashlib.sha256(json.dumps(by_name(whole), sort_keys=True).encode()).hexdigest()
    splits: tuple[Split, ...] = get_args(Split) if isinstance(objective, Validated) else ("train",)
    return About(
        objective=config.objective,
        dim=objective.dim,
        seed=config.seed,
        fingerprint=hashed[:32],
        description=description,
        splits=splits,
        metric=objective.metric if isinstance(objective, Validated) else "",
        classes=tuple(getattr(objective, "classes", ())) if hasattr(objective, "predict") else (),
        fields=tuple(getattr(objective, "fields", ("text",))),
        prompt_layers=int(getattr(objective, "prompt_layers", 1)),
        deterministic=bool(getattr(objective, "deterministic", True)) and not gather,
        limits=limits,
        estimate=_estimate(config.objective, objective, splits),
    )


def _estimate(name: str, objective: Objective, splits: Sequence[Split]) -> dict[str, dict[str, int]]:
    """Return the most that a candidate consumes of the service's currencies, by split, as far as it is estimated."""
    if not isinstance(objective, Estimating):
        return {}
    tariff = Tariff(objective=objective, name=name)
    return {split: {key: getattr(tariff.most(1, split), key) for key in sorted(TOLD)} for split in splits}


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket at an address; port 0 means any free port.

    Raises:
        InputError: the address is not available.
    """
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family)
    except (OSError, OverflowError, UnicodeError) as error:
        raise InputError(f"cannot listen at {host}, port {port}: {getattr(error, 'strerror', None) or error}") from error


def is_loopback(host: str) -> bool:
    """Tell whether an address is a loopback address; of the names of hosts, only "localhost" is."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:  # a name
        return False


def serve(
    objective: Objective,
    said: About,
    *,
    at: socket.socket,
    host: str,
    store: Path,
    clients: Sequence[Client],
    ready: Callable[[Prompt | None], Any],
    candidate: Vector | None = None,
    gather: bool = False,
) -> None:
    """Answer requests until SIGINT or SIGTERM; running requests are finished and committed first.

    Args:
        objective, said: the objective and its description.
        at: a listening socket.
        host: its address, as clients name it.
        store: the SQLite file of answers and charges.
        clients: see `application`.
        ready: called before the first request with the served prompt.
        candidate: (d,) a study's answer to label texts with; see `first_prompt`.
        gather: see `Engine`.

    Raises:
        InputError: the store cannot be used, or the candidate has no score on dev.
    """
    kept = Store(store, said.fingerprint)
    collection = Collection(kept, task=_task(said), fingerprint=said.fingerprint)
    with usable(store):
        prompt = None if candidate is None else first_prompt(objective, candidate, collection)
    engine = Engine(objective, said, kept, gather=gather)
    app = application(engine, clients, Training(engine, collection, prompt), host=host)
    config = uvicorn.Config(app, http="h11", ws="none", log_config=None, access_log=False, server_header=False)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stopped)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    forget_peak()  # ignore the peak of loading
    ready(prompt)
    uvicorn.Server(config).run(sockets=[at])


def _task(said: About) -> str:
    """Return the key of a service's feedback: prompts for the same task share it."""
    return json.dumps([said.description.get("task", said.objective), said.fields, said.classes])


def _stopped(*_: object) -> None:
    """Ignore the signal that uvicorn raises again after it has stopped."""
