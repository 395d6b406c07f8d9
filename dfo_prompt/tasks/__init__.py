"""Tasks: templates with an answer slot, answers that are label words or texts, and few-shot splits of their examples."""

from collections.abc import Iterable
from pathlib import Path

from dfo_prompt.contracts.spec import MetricSpec, Spec
from dfo_prompt.plugin.hookspecs import hookimpl

LABEL_METRICS = {
    "accuracy": (None, "Share of correct labels"),
    "f1": (2, "F1 score of class 1, the second label word"),
    "macro_f1": (None, "Mean F1 score of the classes that are present or predicted"),
}
"""Number of classes that a metric of labels needs, None for any, and its summary."""

TEXT_METRICS = {
    "exact_match": ("metrics:exact_match", "Share of answers that equal their reference exactly", ""),
    "chrf": ("chrf:chrf", "chrF: F-score of character n-grams, 0 to 1 (Popovic, 2015), by sacrebleu", "generation"),
}
"""Target of a metric of texts, its summary, and the extra that it needs."""


@hookimpl
def dfo_prompt_metrics() -> Iterable[MetricSpec]:
    """Register the metrics in `metrics.py` and `chrf.py`."""
    for name, (classes, summary) in LABEL_METRICS.items():
        yield MetricSpec(name=name, target=f"{__name__}.metrics:{name}", summary=f"{summary}.", classes=classes)
    for name, (target, summary, extra) in TEXT_METRICS.items():
        yield MetricSpec(name=name, target=f"{__name__}.{target}", summary=f"{summary}.", extra=extra, texts=True)


@hookimpl
def dfo_prompt_tasks() -> Iterable[Spec]:
    """Register the tasks in `library/`, one per file."""
    import tomllib  # noqa: PLC0415 - every start imports this module, and few commands list tasks

    for file in sorted(Path(__file__).with_name("library").glob("*.toml")):
        table = tomllib.loads(file.read_text(encoding="utf-8"))
        yield Spec(name=table["name"], target=f"{__name__}:library/{file.name}", summary=table["summary"])
