"""MLflow: a run for each study, nested in the run of its suite."""

from collections.abc import Mapping, Sequence
from logging import WARNING, getLogger
from pathlib import Path
from time import time

from mlflow import MlflowClient
from mlflow.entities import Metric, Param
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from dfo_prompt_trackers.notes import read_notes, write_notes
from dfo_prompt_trackers.place import Place
from dfo_prompt_trackers.tracker import Run, Tracker

NAME = "mlflow"
LONGEST = 500
"""The most characters of a parameter for older servers."""
MOST = 100
"""The most parameters per request."""


class MlflowTracker(Tracker):
    """Writes to an MLflow tracking server, or to a database file.

    Args:
        uri: the URI of the server or database, such as "sqlite:///mlflow.db"; MLflow's default if omitted.
        experiment: the experiment of the runs.
    """

    def __init__(self, *, uri: str | None = None, experiment: str = "dfo-prompt") -> None:
        super().__init__()
        self._uri, self._experiment = uri, experiment
        self._client: MlflowClient | None = None

    def open(self, place: Place, parameters: Mapping[str, str]) -> Run:
        """Return the run of a study."""
        with place.lock():  # the first study creates tables, experiment and the suite's run
            client = self._opened()
            parent = self._run_of(client, Place.of_suite(place.suite), {}) if place.suite else ""
            tags = {MLFLOW_PARENT_RUN_ID: parent} if parent else {}
            run = self._run_of(client, place, tags)
        client.update_run(run, status="RUNNING")
        known = client.get_run(run).data.params
        new = [Param(key, value[:LONGEST]) for key, value in parameters.items() if key not in known]
        for first in range(0, len(new), MOST):
            client.log_batch(run, params=new[first : first + MOST])
        return MlflowRun(client, run)

    def open_suite(self, place: Place) -> Run:
        """Return the run of a suite."""
        with place.lock():
            client = self._opened()
            return MlflowRun(client, self._run_of(client, place, {}))

    def _opened(self) -> MlflowClient:
        getLogger("mlflow.store.db.utils").setLevel(WARNING)  # it logs every table that it creates
        self._client = self._client or MlflowClient(tracking_uri=self._uri)
        return self._client

    def _run_of(self, client: MlflowClient, place: Place, tags: Mapping[str, str]) -> str:
        noted = read_notes(place.folder, NAME).get("run")
        if isinstance(noted, str) and _is_there(client, noted):
            return noted
        existing = client.get_experiment_by_name(self._experiment)
        experiment = existing.experiment_id if existing else client.create_experiment(self._experiment)
        run: str = client.create_run(experiment, run_name=place.name, tags=dict(tags)).info.run_id
        write_notes(place.folder, NAME, {"run": run})
        return run


class MlflowRun(Run):
    """A run of MLflow, by its id."""

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

    def keep(self, files: Sequence[Path]) -> None:
        """Store files as artifacts."""
        for file in files:
            self._client.log_artifact(self._id, str(file))

    def end(self, *, error: str = "") -> None:
        """Set the state of the run."""
        if error:
            self._client.set_tag(self._id, "error", error)
        self._client.set_terminated(self._id, "FAILED" if error else "FINISHED")


def _is_there(client: MlflowClient, run: str) -> bool:
    """Tell whether the store has the run, which may be in another store or deleted."""
    try:
        return str(client.get_run(run).info.lifecycle_stage) == "active"
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return False
        raise
