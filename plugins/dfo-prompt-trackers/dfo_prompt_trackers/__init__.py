"""Observers that write studies to experiment trackers."""

from collections.abc import Iterable

import dfo_prompt as dp

_TRACKERS = {
    "mlflow": ("on_mlflow:MlflowTracker", "MLflow: a run for the suite with a nested run for each study."),
    "tensorboard": ("on_tensorboard:TensorBoardTracker", "TensorBoard: curves, parameters and figures, a folder per study."),
    "wandb": (
        "on_wandb:WandbTracker",
        "Weights & Biases, offline: a run per study, grouped by suite; wandb sync uploads them.",
    ),
}


@dp.hookimpl
def dfo_prompt_observers() -> Iterable[dp.ObserverSpec]:
    """Register the trackers, which observe only studies that name them."""
    for name, (target, summary) in _TRACKERS.items():
        yield dp.ObserverSpec(name=name, target=f"dfo_prompt_trackers.{target}", summary=summary, extra=name)
