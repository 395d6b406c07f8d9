"""The tables of suites that compare methods of several kinds: what they reach, and what they take (Sun et al., 2022)."""

import numpy as np
import pandas as pd

from dfo_prompt._util.money import NANO
from dfo_prompt.contracts.usage import currencies
from dfo_prompt.report.analysis import Analysis, counted
from dfo_prompt.report.marks import spec_of
from dfo_prompt.report.section import Section

NONE = "-"
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
"""Of the costs, as they are printed."""
USED = ("upload a query (KiB)", "download a query (KiB)", "tokens a query", "dollars")
"""Columns that are left out where nothing was used."""


def method_tables(analysis: Analysis) -> list[Section]:
    """Return the tables; of studies alone, with nothing published beside them, only what they cost, if they did."""
    if analysis.studies["searched"].all() and not analysis.suite.settings.published:
        return [efficiency(analysis)] if analysis.studies["nanodollars"].any() else []
    return [results(analysis), efficiency(analysis)]


def results(analysis: Analysis) -> Section:
    """Return a row an entry and a column a problem: mean and standard deviation over seeds, in percent; and the average."""
    rows, data = [], []
    for name, entry in analysis.studies.groupby("optimizer", sort=False):
        spec = spec_of(entry["method"].iloc[0])
        cells: dict[str, str] = {
            "method": str(name),
            "gradients": _word(spec.needs_gradients if spec else None, "needed", "none"),
        }
        means, fewest = [], len(analysis.seeds)
        for problem in analysis.problems:
            found = _percents(entry[entry["problem"] == problem])
            published = _published(analysis, problem, "figures")
            cells[problem] = _mean(found, of=len(analysis.seeds))
            means.append(found.mean())
            fewest = min(fewest, len(found))
            if published:
                cells[f"{problem}, published"] = published.get(str(name), NONE)
            about = {"method": name, "gradients": cells["gradients"], "problem": problem}
            data.append({**about, **_moments(found), "published": published.get(str(name))})
        cells["average"] = NONE if fewest < len(analysis.seeds) else f"{sum(means) / len(means):.2f}"
        rows.append(cells)
    table = pd.DataFrame(rows).sort_values("gradients", key=lambda column: column != "needed", kind="stable")
    metrics = "; ".join(
        f"{problem}: {part['metric'].dropna().iloc[0]}"
        for problem, part in analysis.studies.groupby("problem", sort=False)
        if part["metric"].notna().any()
    )
    text = (
        f"Mean and standard deviation of the test metric over {counted(len(analysis.seeds), 'seed')}, in percent "
        f"({metrics}). All methods of a column share model, training, dev and test examples.{_sources(analysis)}"
    )
    return Section(name="methods", title="Methods", text=text, table=table, data=pd.DataFrame(data))


def efficiency(analysis: Analysis) -> Section:
    """Return a row a problem and an entry: what it takes, means over seeds, and the median of seconds."""
    rows, data = [], []
    for (problem, name), entry in analysis.studies.groupby(["problem", "optimizer"], sort=False):
        published = _published(analysis, str(problem), "costs")
        done, spec = entry[entry["finished"]], spec_of(entry["method"].iloc[0])
        about = {
            "problem": problem,
            "method": name,
            "deployment-efficient": _word(spec.deployment_efficient if spec else None),
            "as a service": _word(spec.as_a_service if spec else None),
        }
        queries, found = done["queries"].sum(), _percents(entry)
        costs = {
            "queries": done["queries"].mean(),
            "training seconds": done["training_seconds"].median(),
            "user memory (MiB)": done["user_bytes"].mean() / MIB,
            "server memory (MiB)": done["peak_bytes"].mean() / MIB,
            "upload a query (KiB)": done["uploaded"].sum() / queries / KIB if queries else np.nan,
            "download a query (KiB)": done["downloaded"].sum() / queries / KIB if queries else np.nan,
            "tokens a query": done["tokens"].sum() / queries if queries else np.nan,
            "dollars": done["nanodollars"].mean() / NANO,
        }
        each = {f"{name} a query": done[name].sum() / queries if queries else np.nan for name in currencies()}
        shown = {column: _number(costs[column], form) for column, form in FORMS.items()}
        beside = {"published": published.get(str(name), NONE)} if published else {}
        rows.append({**about, "test metric": _mean(found, of=len(analysis.seeds)), **shown, **beside})
        data.append({**about, **_moments(found), **costs, **each, "published": published.get(str(name))})
    text = (
        "Means over seeds; of seconds the median, measured on the machine of the suite beside its other load. A query "
        "scores the whole training split once. Training seconds: until the answer is found, without evaluations on dev "
        "and test. User memory: what the optimizer allocates until it has been told its first batch, or the size of a head "
        "on the user's side; with a service elsewhere, the peak of the client's process. Server memory: peak main memory of "
        "the process, on Linux, or of the service's. It includes libraries, the model, a copy that gradients change and "
        "what earlier entries left behind, but no GPU memory; small differences mean nothing. Bytes: float32 and int32 "
        "payloads as a service would see them, without its protocol; a method without queries sends none for training. "
        "Dollars: of the search, as a service billed it, or at the prices of the suite."
        f"{_sources(analysis)}"
    )
    figures = pd.DataFrame(data)
    table = pd.DataFrame(rows).drop(columns=[name for name in USED if not figures[name].fillna(0).any()])
    return Section(name="efficiency", title="Efficiency", text=text, table=table, data=figures)


def _published(analysis: Analysis, problem: str, kind: str) -> dict[str, str]:
    """Return published figures or costs of the problem's model and task, by the names of entries, each with its source."""
    study = analysis.studies.loc[analysis.studies["problem"] == problem, "study"].iloc[0]
    of = analysis.suite.by_id[study].config.problem
    found: dict[str, str] = {}
    for number, table in enumerate(analysis.suite.settings.published, start=1):
        if table.model == str(of.model):
            for name, figure in getattr(table, kind).get(str(of.task), {}).items():
                found[name] = "; ".join(filter(None, (found.get(name), f"{figure} [{number}]")))
    return found


def _sources(analysis: Analysis) -> str:
    """Return what the numbers in brackets stand for, where a figure is of a model of this suite."""
    models = {str(plan.config.problem.model) for plan in analysis.suite.plans}
    said = [
        f"[{number}] {table.source}{f': {table.note}' if table.note else ''}"
        for number, table in enumerate(analysis.suite.settings.published, start=1)
        if table.model in models
    ]
    return f" Published: {'; '.join(said)}." if said else ""


def _percents(entry: pd.DataFrame) -> "pd.Series[float]":
    """Return the test metrics that there are."""
    found: pd.Series[float] = entry.loc[entry["finished"], "test_metric"].astype(float).dropna()
    return 100 * found


def _moments(found: "pd.Series[float]") -> dict[str, float]:
    return {"mean": found.mean(), "std": found.std(), "seeds": len(found)}


def _mean(found: "pd.Series[float]", *, of: int) -> str:
    if found.empty:
        return NONE
    deviation = f" ± {found.std():.2f}" if len(found) > 1 else ""
    return f"{found.mean():.2f}{deviation}{f' ({len(found)} of {of} seeds)' if len(found) < of else ''}"


def _number(value: float, form: str) -> str:
    return NONE if pd.isna(value) else form.format(value)


def _word(known: bool | None, yes: str = "yes", no: str = "no") -> str:
    if known is None:
        return NONE
    return yes if known else no
