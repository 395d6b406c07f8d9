"""MLflow: a run for each study, nested in the run of its suite."""

from collections.abc import Mapping, Sequence
from logging import WARNING, getLogger
from pathlib import Path
from time import time

from mlflow import MlflowClient
from mlflow.entities import Metric, Param
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from dfo_prompt_trackers.location import Location
from dfo_prompt_trackers.notes import read_notes, write_notes
from dfo_prompt_trackers.tracker import Run, Tracker

NAME = "mlflow"
MAX_CHARACTERS = 500
"""The length limit of a parameter on older servers."""
MAX_PARAMETERS = 100
"""The largest number of parameters per request."""


class MlflowTracker(Tracker):
    """Writes to an MLflow tracking server, or to a database file.

    Args:
        uri: URI of the server or database, such as "sqlite:///mlflow.db"; by default that of MLflow.
        experiment: name of the experiment.
    """

    def __init__(self, *, uri: str | None = None, experiment: str = "dfo-prompt") -> None:
        super().__init__()
        self._uri, self._experiment = uri, experiment
        self._client: MlflowClient | None = None

    def open(self, location: Location, parameters: Mapping[str, str]) -> Run:
        """Return the run of a study."""
        with location.lock():  # the first study creates the tables, the experiment and the suite's run
            client = self._opened()
            parent = self._run_of(client, Location.of_suite(location.suite), {}) if location.suite else ""
            tags = {MLFLOW_PARENT_RUN_ID: parent} if parent else {}
            run = self._run_of(client, location, tags)
        client.update_run(run, status="RUNNING")
        known = client.get_run(run).data.params
        new = [Param(key, value[:MAX_CHARACTERS]) for key, value in parameters.items() if key not in known]
        for first in range(0, len(new), MAX_PARAMETERS):
            client.log_batch(run, params=new[first : first + MAX_PARAMETERS])
        return MlflowRun(client, run)

    def open_suite(self, location: Location) -> Run:
        """Return the run of a suite."""
        with location.lock():
            client = self._opened()
            return MlflowRun(client, self._run_of(client, location, {}))

    def _opened(self) -> MlflowClient:
        getLogger("mlflow.store.db.utils").setLevel(WARNING)  # it logs every table that it creates
        self._client = self._client or MlflowClient(tracking_uri=self._uri)
        return self._client

    def _run_of(self, client: MlflowClient, location: Location, tags: Mapping[str, str]) -> str:
        stored = read_notes(location.folder, NAME).get("run")
        if isinstance(stored, str) and _exists(client, stored):
            return stored
        existing = client.get_experiment_by_name(self._experiment)
        experiment = existing.experiment_id if existing else client.create_experiment(self._experiment)
        run: str = client.create_run(experiment, run_name=location.name, tags=dict(tags)).info.run_id
        write_notes(location.folder, NAME, {"run": run})
        return run


class MlflowRun(Run):
    """A run of MLflow with a given id."""

    def __init__(self, client: MlflowClient, run: str) -> None:
        self._client, self._id = client, run

    def steps(self) -> Mapping[str, int]:
        """Return the last step of each metric."""
        histories = {
            key: self._client.get_metric_history(self._id, key) for key in self._client.get_run(self._id).data.metrics
        }
        return {key: max(point.step for point in points) for key, points in histories.items()}

    def log(self, step: int, figures: Mapping[str, float]) -> None:
        """Add a point to each metric."""
        now = int(time() * 1000)
        self._client.log_batch(self._id, metrics=[Metric(key, value, now, step) for key, value in figures.items()])

    def store(self, files: Sequence[Path]) -> None:
        """Store files as artifacts."""
        for file in files:
            self._client.log_artifact(self._id, str(file))

    def end(self, *, error: str = "") -> None:
        """Set the state of the run."""
        if error:
            self._client.set_tag(self._id, "error", error)
        self._client.set_terminated(self._id, "FAILED" if error else "FINISHED")


def _exists(client: MlflowClient, run: str) -> bool:
    """Tell whether the store has the run: it may be in another store, or deleted."""
    try:
        return str(client.get_run(run).info.lifecycle_stage) == "active"
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return False
        raise
