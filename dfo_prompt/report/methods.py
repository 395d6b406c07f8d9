"""Builds the tables of test metrics and costs for suites that compare methods of several kinds (Sun et al., 2022)."""

import numpy as np
import pandas as pd

from dfo_prompt._util.money import NANO
from dfo_prompt.contracts.usage import currencies
from dfo_prompt.report.analysis import Analysis
from dfo_prompt.report.marks import spec_of
from dfo_prompt.report.section import Section
from dfo_prompt.report.texts import are_shares

NONE = "-"
PERCENT = 100
KIB, MIB = 1024, 1024**2
FORMS = {
    "queries": "{:.0f}",
    "training seconds": "{:.1f}",
    "user memory (MiB)": "{:.3g}",
    "server memory (MiB)": "{:.0f}",
    "upload a query (KiB)": "{:.3g}",
    "download a query (KiB)": "{:.3g}",
    "tokens a query": "{:,.0f}",
    "dollars": "{:,.4g}",
}
"""The columns of costs and their formats."""
COSTS = (
    "Means over seeds; for seconds the median, measured on the machine of the suite under its other load. A query "
    "scores the whole training split once. Training seconds: the search or fit, without evaluations on dev and test. "
    "User memory: what the optimizer allocates up to and including its first batch, or the size of a head on the user's "
    "side; with a remote service, the peak of the client's process. Server memory: peak main memory of the process (on "
    "Linux) or of the service. It includes libraries, the model, a copy of the model for gradients and leftovers of "
    "earlier entries, but no GPU memory; small differences mean nothing. Bytes: float32 and int32 payloads as a service "
    "would see them, without protocol overhead; a method without queries sends none for training. Dollars: cost of the "
    "search or fit, as billed by a service or at the prices of the suite."
)
"""The meaning of the columns of costs."""
USED = ("upload a query (KiB)", "download a query (KiB)", "tokens a query", "dollars")
"""Columns that are dropped if all their values are zero."""


def method_tables(analysis: Analysis) -> list[Section]:
    """Return both tables; for optimizers alone and without published figures, only the costs, if there are any."""
    if analysis.studies["searched"].all() and not analysis.suite.settings.published:
        return [efficiency(analysis)] if analysis.studies["nanodollars"].any() else []
    return [results(analysis), efficiency(analysis)]


def results(analysis: Analysis) -> Section:
    """Return one row per entry: per problem the mean and standard deviation over seeds, and their average.

    Metrics are in percent where all of them are shares.
    """
    rows, data, scale = [], [], _scale(analysis)
    for name, entry in analysis.studies.groupby("optimizer", sort=False):
        spec = spec_of(entry["method"].iloc[0])
        cells: dict[str, str] = {
            "method": str(name),
            "gradients": _word(spec.needs_gradients if spec else None, "needed", "none"),
        }
        means, fewest = [], len(analysis.seeds)
        for problem in analysis.problems:
            metrics = _metrics(entry[entry["problem"] == problem], scale)
            published = _published(analysis, problem, "figures")
            cells[problem] = _mean(metrics, of=len(analysis.seeds))
            means.append(metrics.mean())
            fewest = min(fewest, len(metrics))
            if published:
                cells[f"{problem}, published"] = published.get(str(name), NONE)
            description = {"method": name, "gradients": cells["gradients"], "problem": problem}
            data.append({**description, **_moments(metrics), "published": published.get(str(name))})
        cells["average"] = NONE if fewest < len(analysis.seeds) else f"{sum(means) / len(means):.2f}"
        rows.append(cells)
    table = pd.DataFrame(rows).sort_values("gradients", key=lambda column: column != "needed", kind="stable")
    names = "; ".join(
        f"{problem}: {part['metric'].dropna().iloc[0]}"
        for problem, part in analysis.studies.groupby("problem", sort=False)
        if part["metric"].notna().any()
    )
    percent = ", in percent" if scale == PERCENT else ""
    count = len(analysis.seeds)
    mean = f"Mean and standard deviation of the test metric over {count} seeds" if count > 1 else "Test metric of one seed"
    shared = "All methods of a column share model, training, dev and test examples."
    text = f"{mean}{percent} ({names}). {shared}{_sources(analysis)}"
    return Section(name="methods", title="Methods", text=text, table=table, data=pd.DataFrame(data))


def efficiency(analysis: Analysis) -> Section:
    """Return one row per problem and entry: the costs, as means over seeds (seconds: the median)."""
    rows, data, scale = [], [], _scale(analysis)
    for (problem, name), entry in analysis.studies.groupby(["problem", "optimizer"], sort=False):
        published = _published(analysis, str(problem), "costs")
        done, spec = entry[entry["finished"]], spec_of(entry["method"].iloc[0])
        description = {
            "problem": problem,
            "method": name,
            "deployment-efficient": _word(spec.deployment_efficient if spec else None),
            "as a service": _word(spec.as_a_service if spec else None),
        }
        metrics, costs = _metrics(entry, scale), _costs(done)
        each = {f"{name} a query": _per_query(done, name) for name in currencies()}
        shown = {column: _number(costs[column], form) for column, form in FORMS.items()}
        reference = {"published": published.get(str(name), NONE)} if published else {}
        rows.append({**description, "test metric": _mean(metrics, of=len(analysis.seeds)), **shown, **reference})
        data.append({**description, **_moments(metrics), **costs, **each, "published": published.get(str(name))})
    figures = pd.DataFrame(data)
    table = pd.DataFrame(rows).fillna(NONE)  # problems without published costs, where others have some
    table = table.drop(columns=[name for name in USED if not figures[name].fillna(0).any()])
    return Section(name="efficiency", title="Efficiency", text=f"{COSTS}{_sources(analysis)}", table=table, data=figures)


def _costs(done: pd.DataFrame) -> dict[str, float]:
    """Return the costs of an entry's finished studies, by column."""
    return {
        "queries": done["queries"].mean(),
        "training seconds": done["training_seconds"].median(),
        "user memory (MiB)": done["user_bytes"].mean() / MIB,
        "server memory (MiB)": done["peak_bytes"].mean() / MIB,
        "upload a query (KiB)": _per_query(done, "uploaded") / KIB,
        "download a query (KiB)": _per_query(done, "downloaded") / KIB,
        "tokens a query": _per_query(done, "tokens"),
        "dollars": done["nanodollars"].mean() / NANO,
    }


def _per_query(done: pd.DataFrame, currency: str) -> float:
    queries = done["queries"].sum()
    return float(done[currency].sum() / queries) if queries else np.nan


def _published(analysis: Analysis, problem: str, kind: str) -> dict[str, str]:
    """Return the published figures or costs for the problem's model and task, by entry, with their source numbers."""
    study = analysis.studies.loc[analysis.studies["problem"] == problem, "study"].iloc[0]
    config = analysis.suite.by_id[study].config.problem
    figures: dict[str, str] = {}
    for number, table in enumerate(analysis.suite.settings.published, start=1):
        if table.model == str(config.model):
            for name, figure in getattr(table, kind).get(str(config.task), {}).items():
                figures[name] = "; ".join(filter(None, (figures.get(name), f"{figure} [{number}]")))
    return figures


def _sources(analysis: Analysis) -> str:
    """Return the numbered sources of published figures for the models of this suite."""
    models = {str(plan.config.problem.model) for plan in analysis.suite.plans}
    sources = [
        f"[{number}] {table.source}{f': {table.note}' if table.note else ''}"
        for number, table in enumerate(analysis.suite.settings.published, start=1)
        if table.model in models
    ]
    return f" Published: {'; '.join(sources)}." if sources else ""


def _scale(analysis: Analysis) -> int:
    """Return the factor of metrics: `PERCENT` where all metrics of the suite are shares, 1 otherwise."""
    metrics = analysis.studies.loc[analysis.studies["finished"], "test_metric"].dropna()
    return PERCENT if are_shares(metrics) else 1


def _metrics(entry: pd.DataFrame, scale: int) -> "pd.Series[float]":
    """Return the available test metrics, times the scale."""
    metrics: pd.Series[float] = entry.loc[entry["finished"], "test_metric"].astype(float).dropna()
    return scale * metrics


def _moments(metrics: "pd.Series[float]") -> dict[str, float]:
    return {"mean": metrics.mean(), "std": metrics.std(), "seeds": len(metrics)}


def _mean(metrics: "pd.Series[float]", *, of: int) -> str:
    if metrics.empty:
        return NONE
    deviation = f" ± {metrics.std():.2f}" if len(metrics) > 1 else ""
    return f"{metrics.mean():.2f}{deviation}{f' ({len(metrics)} of {of} seeds)' if len(metrics) < of else ''}"


def _number(value: float, form: str) -> str:
    return NONE if pd.isna(value) else form.format(value)


def _word(known: bool | None, yes: str = "yes", no: str = "no") -> str:
    if known is None:
        return NONE
    return yes if known else no
