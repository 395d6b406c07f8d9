"""The tables of suites that compare methods of several kinds: what they reach, and what they take (Sun et al., 2022)."""

from typing import Any

import pandas as pd

from dfo_prompt.config import STUDY
from dfo_prompt.errors import DfoPromptError
from dfo_prompt.method import MethodSpec
from dfo_prompt.plugins import catalogue
from dfo_prompt.report.analysis import Analysis
from dfo_prompt.report.section import Section

NONE = "-"
KIB, MIB = 1024, 1024**2


def method_tables(analysis: Analysis) -> list[Section]:
    """Return the tables, or none where all entries are studies and nothing published stands beside them."""
    if (analysis.studies["method"] == STUDY).all() and not analysis.plan.get("published"):
        return []
    return [results(analysis), efficiency(analysis)]


def results(analysis: Analysis) -> Section:
    """Return a row an entry and a column a problem: mean and standard deviation over seeds, in percent; and the average."""
    rows = []
    for name, entry in analysis.studies.groupby("optimizer", sort=False):
        spec = _spec(entry["method"].iloc[0])
        cells: dict[str, str] = {"method": str(name), "gradients": _yes(spec, "needs_gradients", "needed", "none")}
        means = []
        for problem in analysis.problems:
            found = 100 * entry.loc[(entry["problem"] == problem) & entry["finished"], "test_metric"].astype(float).dropna()
            cells[problem] = _mean(found, of=len(analysis.seeds))
            means.append(found.mean())
            if published := _published(analysis, problem, "figures"):
                cells[f"{problem}, published"] = published.get(str(name), NONE)
        cells["average"] = NONE if pd.isna(means).any() else f"{sum(means) / len(means):.2f}"
        rows.append(cells)
    table = pd.DataFrame(rows).sort_values("gradients", key=lambda column: column != "needed", kind="stable")
    metrics = "; ".join(
        f"{problem}: {part['metric'].dropna().iloc[0]}"
        for problem, part in analysis.studies.groupby("problem", sort=False)
        if part["metric"].notna().any()
    )
    text = (
        f"Mean and standard deviation of the test metric over {len(analysis.seeds)} seeds, in percent ({metrics}). All "
        "methods of a column share model, training, dev and test examples. Methods that need gradients are a white-box "
        f"reference.{_sources(analysis)}"
    )
    return Section(name="methods", title="Methods", text=text, table=table)


def efficiency(analysis: Analysis) -> Section:
    """Return a row a problem and an entry: what it takes, means over seeds."""
    rows = []
    for (problem, name), entry in analysis.studies.groupby(["problem", "optimizer"], sort=False):
        published = _published(analysis, str(problem), "costs")
        done, spec = entry[entry["finished"]], _spec(entry["method"].iloc[0])
        queries = done["queries"].sum()
        rows.append(
            {
                "problem": problem,
                "method": name,
                "deployment-efficient": _yes(spec, "deployment_efficient"),
                "as a service": _yes(spec, "as_a_service"),
                "test metric": _mean(100 * done["test_metric"].astype(float), of=len(analysis.seeds)),
                "queries": _number(done["queries"].mean(), 1, "{:.0f}"),
                "training seconds": _number(done["training_seconds"].mean(), 1, "{:.1f}"),
                "user memory (MiB)": _number(done["user_bytes"].mean(), MIB),
                "server memory (MiB)": _number(done["peak_bytes"].mean(), MIB, "{:.0f}"),
                "upload a query (KiB)": _number(done["uploaded"].sum() / queries if queries else None, KIB),
                "download a query (KiB)": _number(done["downloaded"].sum() / queries if queries else None, KIB),
                **({"published": published.get(str(name), NONE)} if published else {}),
            }
        )
    text = (
        "Means over seeds, measured where the suite ran. A query scores the whole training split once. Training seconds: "
        "until there is an answer, without looks at dev and test. User memory: what the optimizer, or a head of the user's "
        "own, allocates. Server memory: the most main memory that the process held, on Linux; libraries, the model, a copy "
        "of it that gradients change, and what earlier entries left behind are in it, so that small differences mean "
        "nothing. Bytes: float32 and int32 as a service would see them, without its protocol; a method without queries "
        f"sends none for training.{_sources(analysis)}"
    )
    return Section(name="efficiency", title="Efficiency", text=text, table=pd.DataFrame(rows))


def _spec(method: str) -> MethodSpec | None:
    try:
        return catalogue().methods.find(method)
    except DfoPromptError:
        return None  # a plugin that is not installed here


def _published(analysis: Analysis, problem: str, kind: str) -> dict[str, str]:
    """Return published figures or costs of the problem's model and task, by the names of entries, each with its source."""
    study = analysis.studies.loc[analysis.studies["problem"] == problem, "study"].iloc[0]
    options: dict[str, Any] = analysis.plan["studies"][study]["config"]["objective_options"]
    found: dict[str, str] = {}
    for number, one in enumerate(analysis.plan.get("published", []), start=1):
        if one["model"] == options.get("model"):
            for name, figure in one[kind].get(options.get("task"), {}).items():
                found[name] = "; ".join(filter(None, (found.get(name), f"{figure} [{number}]")))
    return found


def _sources(analysis: Analysis) -> str:
    """Return what the numbers in brackets stand for."""
    said = [f"{one['source']}{': ' + one['note'] if one['note'] else ''}" for one in analysis.plan.get("published", [])]
    return " Published: " + "; ".join(f"[{i}] {source}" for i, source in enumerate(said, start=1)) + "." if said else ""


def _mean(found: "pd.Series[float]", *, of: int) -> str:
    if found.empty:
        return NONE
    deviation = f" ± {found.std():.2f}" if len(found) > 1 else ""
    return f"{found.mean():.2f}{deviation}{f' ({len(found)} of {of} seeds)' if len(found) < of else ''}"


def _number(value: float | None, unit: float, form: str = "{:.3g}") -> str:
    return NONE if value is None or pd.isna(value) else form.format(value / unit)


def _yes(spec: MethodSpec | None, what: str, yes: str = "yes", no: str = "no") -> str:
    return NONE if spec is None else yes if getattr(spec, what) else no
