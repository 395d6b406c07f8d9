"""Builds and probes an endpoint with its cache from its configuration."""

import os
from collections.abc import Sequence
from dataclasses import dataclass

from dfo_prompt._util.downloads import cache_folder
from dfo_prompt.config.endpoint import EndpointConfig
from dfo_prompt.contracts.endpoint import Capabilities, Endpoint, Form, Label
from dfo_prompt.endpoints.cache import CachedEndpoint
from dfo_prompt.errors import InputError, PluginError
from dfo_prompt.plugin.building import build
from dfo_prompt.plugin.entries import target_of
from dfo_prompt.plugin.options import parameters
from dfo_prompt.types import Json

FILE = "answers.sqlite"


@dataclass(frozen=True, kw_only=True)
class Opened:
    """A probed endpoint.

    Attributes:
        endpoint: the endpoint.
        can: the capabilities that its probe found.
        about: its definition for the manifest; a study continues only with the same.
    """

    endpoint: Endpoint
    can: Capabilities
    about: dict[str, Json]


def create_endpoint(config: EndpointConfig) -> Endpoint:
    """Build the endpoint that `config` names, with its cache, without sending a request.

    Raises:
        InputError: a name, an option or a value is wrong, or the key is missing.
        PluginError: building the endpoint failed.
    """
    name, takes = f"endpoint {config.kind!r}", parameters(target_of("endpoint", config.kind)).hints.keys()
    provided: dict[str, object] = {"url": config.url, "model": config.model, "key": _key(config.key_env)}
    provided |= {"timeout": config.timeout, "patience": config.patience, "concurrency": config.concurrency}
    if provided["key"] and "key" not in takes:
        raise InputError(f"{name} takes no key; leave out endpoint.key_env")
    taken = {key: value for key, value in provided.items() if key in takes}
    built = build("endpoint", config.kind, config.options, **taken)
    if not isinstance(built, Endpoint):
        raise PluginError(f"{name} is a {type(built).__name__} without probe, score, estimate and describe")
    if config.cache == "off":
        return built
    return CachedEndpoint(built, cache_folder() / FILE, always=config.cache == "on")


def open_endpoint(config: EndpointConfig, labels: Sequence[Label], *, needs: Form, by: str) -> Opened:
    """Build the endpoint that `config` names and probe it.

    Args:
        config: the configuration of the endpoint.
        labels: the labels to score.
        needs: the form of the rows to send.
        by: the component that sends the rows, for error messages.

    Raises:
        InputError: the endpoint cannot score labels, or does not accept this form of rows.
        OutageError: the endpoint does not answer.
    """
    endpoint = create_endpoint(config)
    can = endpoint.probe(labels)
    if needs not in can.forms:
        taken = " and ".join(sorted(can.forms))
        raise InputError(f"{by} needs an endpoint that takes {needs}; endpoint {config.kind!r} takes {taken} only")
    return Opened(endpoint=endpoint, can=can, about={**endpoint.describe(), **can.lasting()})


def _key(variable: str) -> str:
    if not variable:
        return ""
    if not (key := os.environ.get(variable, "").strip()):
        raise InputError(f"endpoint.key_env: the environment variable {variable} is not set; export it with the key")
    return key
