"""Methods run by name in folders and suites, and appear in the report."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from filelock import FileLock
from safetensors.numpy import load_file
from tables import tables

import dfo_prompt as dp
from dfo_prompt._util.seeding import Stream, entropy
from dfo_prompt.config.reading import parse_config
from dfo_prompt.errors import PluginError
from dfo_prompt.methods.reopen import reopen_method
from dfo_prompt.methods.run import run_method
from dfo_prompt.methods.slots import Slot
from dfo_prompt.plugin.catalogue import catalogue, plugin_files
from dfo_prompt.prompt.export import tuned_prompt
from dfo_prompt.prompt.projections.learned import learn_projection
from dfo_prompt.report.summary import summarize
from dfo_prompt.report.write import write_report
from dfo_prompt.run.built import objective_of, plugin_of
from dfo_prompt.run.reopen import reopen
from dfo_prompt.run.study import run_study
from dfo_prompt.study.identity import read_manifest
from dfo_prompt.study.records import Account, read_records
from dfo_prompt.suite.folder import is_finished, study_path, suite_folder
from dfo_prompt.suite.reading import read_suite_file, suite_of
from dfo_prompt.suite.run import run_suite

COUNTS = ("queries", "rows", "tokens", "uploaded", "downloaded")
TEXTS = [("bad film",), ("the plot was very dull",)]
SUITE = """\
name = "methods"
seeds = [1, 2]
threads = 1
measure = "test_metric"
optimizers = ["random"]
methods = ["manual", { name = "two", method = "ensemble", optimizer = "random", method_options = { members = 2 } }]
[study]
budget = 10
dim = 6
popsize = 5
problem = { model = "MODEL", task = "films.toml", shots = 4 }
prompt = { tokens = 3, dtype = "float32" }
[[published]]
source = "a paper"
note = "by hand"
model = "MODEL"
[published.figures."TASK"]
manual = "71.2"
[[published]]
source = "another"
model = "MODEL"
[published.figures."TASK"]
manual = "70.1"
two = "80"
[published.costs."TASK"]
manual = "2 min"
"""


@pytest.fixture
def options(tiny_folder, tiny_task):
    return {"model": str(tiny_folder), "task": str(tiny_task), "shots": 4, "tokens": 3, "dtype": "float32"}


def config(options, **keys):
    return parse_config({"dim": 6, "budget": 12, "popsize": 4, "optimizer": "random", **tables(options), **keys})


@pytest.mark.parametrize(("method", "place"), [("ensemble", "members"), ("pretrained", "sources")])
def test_studies_of_another_draw_draw_other_projections(options, tiny_task, tmp_path, method, place):
    (tmp_path / "plots.toml").write_text(tiny_task.read_text().replace("films.csv", str(tiny_task.with_name("films.csv"))))
    own = {"members": 2} if method == "ensemble" else {"tasks": [str(tmp_path / "plots.toml")], "draws": 2}
    draws = []
    for draw in (0, 3):
        study = config({**options, "draw": draw}, method=method, method_options=own)
        run_method(study, out=tmp_path / f"{draw}")
        draws += [read_manifest(tmp_path / f"{draw}" / place / str(i))["config"]["prompt"]["draw"] for i in range(2)]
    assert draws == [0, 1, 6, 7]


def test_an_ensemble_shares_the_budget_among_studies_that_draw_anew(options, tmp_path):
    out = tmp_path / "out"
    result = run_method(config(options, method="ensemble", method_options={"members": 3}), out=out)
    journals = [read_records(out / "members" / str(member), Account.QUERIES) for member in range(3)]
    looks = [len(read_records(out / "members" / str(member), Account.VALIDATION)) for member in range(3)]
    assert result.result.validation.queries == sum(looks) + 2
    spent = result.fitted.spent
    assert result.result.training_seconds == spent.optimizer_seconds + spent.objective_seconds > 0
    assert [len(journal) for journal in journals] == [4, 4, 4]
    assert result.fitted.spent.queries == 12
    assert len({journal[0].loss for journal in journals}) == 3
    members = [reopen(out / "members" / str(member)) for member in range(3)]
    expected = np.mean([objective.predict(z, TEXTS) for objective, z in members], axis=0)
    np.testing.assert_allclose(result.fitted.predict(TEXTS), expected, atol=1e-6)


def test_a_fit_is_priced_as_the_search_is(options, tmp_path):
    prices = {"input": "0.3", "output": "1.5"}
    found = {
        name: run_method(config(options, method=name, prices=prices)).result.spent
        for name in ("study", "decoder", "tuned-decoder", "ensemble", "manual")
    }
    for name in ("decoder", "tuned-decoder"):
        assert found[name].nanodollars == 300 * found[name].tokens + 1500 * found[name].rows > 0
    assert found["tuned-decoder"].nanodollars > found["study"].nanodollars == found["ensemble"].nanodollars
    assert found["manual"].nanodollars == 0
    assert run_method(config(options, method="decoder")).result.spent.nanodollars == 0


LOSS = """\
import dfo_prompt as dp
import torch
from dfo_prompt.prompt.losses import cross_entropy


def lossy(logits, labels):
    losses = cross_entropy(logits, labels)
    return torch.where(losses > 0.8, torch.nan, losses)


@dp.hookimpl
def dfo_prompt_losses():
    return [dp.Spec(name="lossy", target="lossy:lossy", summary="Fails where it is large.")]
"""


def test_failed_queries_of_members_are_those_of_the_method(options, tmp_path):
    (tmp_path / "lossy.py").write_text(LOSS)
    out, keys = tmp_path / "out", {"sigma": 5.0, "budget": 24, "plugin": str(tmp_path / "lossy.py")}
    settings = config({**options, "loss": "lossy"}, method="ensemble", method_options={"members": 3}, **keys)
    with plugin_of(settings):
        result = run_method(settings, out=out).result
    failed = sum(record.loss is None for i in range(3) for record in read_records(out / "members" / str(i)))
    assert result.failures == failed > 0
    assert summarize(out).failures == failed


def test_members_that_a_limit_does_not_suffice_for_are_refused_in_one_line(options):
    settings = config(options, method="ensemble", method_options={"members": 4}, limits={"rows": 3})
    with pytest.raises(dp.InputError, match="^4 studies share limits.rows, 3: raise it to 4, or lower members$"):
        run_method(settings)


def test_a_method_killed_in_the_middle_goes_on_with_its_studies(options, tmp_path, monkeypatch):
    settings = config(options, method="projections", method_options={"members": 2})
    whole = run_method(settings, out=tmp_path / "whole")
    ran = []

    def interrupted(*args, **kwargs):
        if ran:
            raise KeyboardInterrupt
        ran.append(1)
        return run_study(*args, **kwargs)

    from dfo_prompt.methods import studies

    run_study = studies.run_study
    with monkeypatch.context() as patch:
        patch.setattr(studies, "run_study", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run_method(settings, out=tmp_path / "again")
    again = run_method(settings, out=tmp_path / "again")
    assert again.result.held_out == whole.result.held_out
    for member in ("0", "1"):
        journals = [(tmp_path / run / "members" / member / "journal.jsonl").read_bytes() for run in ("whole", "again")]
        assert journals[0] == journals[1]


def test_one_that_is_no_better_than_its_members_on_dev_was_chosen_wrongly(options, tmp_path):
    result = run_method(config(options, method="projections", method_options={"members": 3}), out=tmp_path / "out")
    found = [json.loads((tmp_path / "out/members" / str(i) / "result.json").read_text())["held_out"] for i in range(3)]
    assert result.result.held_out.dev_metric == max(item["dev_metric"] for item in found)


@pytest.mark.slow
def test_a_search_space_is_learned_on_other_tasks(options, tiny_task, tmp_path, monkeypatch):
    others = []
    for name in ("plots", "news"):
        others.append(str(tiny_task.with_name(f"{name}.toml")))
        tiny_task.with_name(f"{name}.toml").write_text(tiny_task.read_text())
    settings = config(options, method="pretrained", method_options={"tasks": [*others, "films"]})
    monkeypatch.chdir(tmp_path)
    result = run_method(settings, out=tmp_path / "out")
    assert result.fitted.spent.queries == 5 * 12
    assert result.fitted.about == {"tasks": others, "prompts": 4}
    objective, chosen = reopen(tmp_path / "out" / "study")
    np.testing.assert_allclose(result.fitted.predict(TEXTS), objective.predict(chosen, TEXTS), atol=1e-6)
    prompts = [tuned_prompt(*reopen(tmp_path / "out/sources" / number)) for number in "0123"]
    learned = learn_projection(prompts, dim=6, seed=entropy(0, Stream.LEARNED))
    written = load_file(tmp_path / "out/projection.safetensors")
    for name in ("projection", "start"):
        np.testing.assert_allclose(written[name], getattr(learned, name), atol=1e-6)
    assert run_method(settings).result.held_out == result.result.held_out  # nothing is written, and it finds the same
    with pytest.raises(dp.InputError, match="1 draws on 1 other tasks are fewer than two prompts"):
        run_method(config(options, method="pretrained", method_options={"tasks": [others[0], str(tiny_task)], "draws": 1}))


def printed(page, title):
    """Return a table of the report as it is read."""
    section = (page.parent / "report.md").read_text().split(f"## {title}\n")[1].split("\n## ")[0]
    lines = [line.strip("|").split(" | ") for line in section.splitlines() if line.startswith("|")]
    heads, _, *rows = [[cell.strip() for cell in line] for line in lines]
    return pd.DataFrame(rows, columns=heads)


def test_a_study_is_a_method_too(options):
    settings = config(options)
    study = run_study(settings, objective_of(settings))
    assert run_method(settings).result.held_out == study.held_out


def test_the_manual_prompt_has_the_precision_of_the_studies_beside(options):
    settings = config({**options, "dtype": "bfloat16"})
    study = objective_of(settings)
    exact = run_method(config(options, method="manual")).fitted.predict(TEXTS)
    found = run_method(replace(settings, method="manual"))
    assert np.abs(found.fitted.predict(TEXTS) - exact).max() > 0
    assert found.result.held_out.test_metric == study.baseline("test").metrics[study.metric][0]


def test_studies_that_share_a_budget_share_its_limits(options, tmp_path):
    settings = replace(config(options, method="ensemble"), method_options={"members": 2})
    one = objective_of(settings).estimate(1).tokens
    result = run_method(replace(settings, limits={"tokens": 6 * one + 1}), out=tmp_path / "s").result
    assert (result.spent.queries, result.spent.tokens) == (6, 6 * one)
    reasons = [json.loads(file.read_text())["stop_reason"] for file in (tmp_path / "s").glob("members/*/result.json")]
    assert reasons == ["limits.tokens", "limits.tokens"]


@pytest.mark.slow
def test_a_suite_of_methods_is_reported(tiny_folder, tiny_task):
    folder = tiny_task.parent
    (folder / "suite.toml").write_text(SUITE.replace("MODEL", str(tiny_folder)))
    suite = read_suite_file(folder / "suite.toml")
    assert suite.queries == 2 * (10 + 0 + 10)
    asked = []
    assert run_suite(suite, folder / "out", watch=lambda progress: asked.append(progress.asked)) == {}
    assert asked == sorted(asked)
    assert asked[-1] == suite.queries
    page = write_report(folder / "out")
    table = printed(page, "Methods")
    assert list(table["method"]) == ["random", "manual", "two"]
    studies = dp.read_suite(folder / "out")
    assert dict(studies.groupby("optimizer")["queries"].sum()) == {"manual": 0, "random": 20, "two": 20}
    mean, deviation = (
        100 * studies.loc[studies["optimizer"] == "random", "test_metric"].agg(kind) for kind in ("mean", "std")
    )
    assert table.iloc[0, 2] == f"{mean:.2f} ± {deviation:.2f}"
    numbers = pd.read_csv(page.parent / "methods.csv", index_col="method")
    assert numbers.loc["random", ["mean", "std", "seeds"]].tolist() == pytest.approx([mean, deviation, 2])
    assert printed(page, "Leaderboard")["test metric"].str.fullmatch(r"[\d.]+ \[[\d.]+, [\d.]+\]").all()
    costs = printed(page, "Efficiency").set_index("method")
    assert costs.loc["random", "download a query (KiB)"] == f"{8 * 2 * 4 / 1024:.3g}"  # 8 texts, 2 words, 4 bytes
    assert costs.loc["manual", "upload a query (KiB)"] == "-"
    costs = pd.read_csv(page.parent / "efficiency.csv", index_col="method")
    assert costs.loc["random", "download a query (KiB)"] == 8 * 2 * 4 / 1024
    assert np.isnan(costs.loc["manual", "upload a query (KiB)"])


@pytest.mark.slow
def test_published_figures_stand_where_model_and_task_are_the_same(tiny_folder, tiny_task):
    folder = tiny_task.parent
    file = SUITE.replace("MODEL", str(tiny_folder)).replace("TASK", str(tiny_task))
    (folder / "suite.toml").write_text(file.replace("seeds = [1, 2]", "seeds = [1]"))
    run_suite(read_suite_file(folder / "suite.toml"), folder / "out")
    page = write_report(folder / "out")
    table = printed(page, "Methods")
    column = next(name for name in table if name.endswith(", published"))
    assert list(table[column]) == ["-", "71.2 [1]; 70.1 [2]", "80 [2]"]
    assert list(printed(page, "Efficiency")["published"]) == ["-", "2 min [2]", "-"]
    assert "[1] a paper: by hand; [2] another." in (page.parent / "report.md").read_text()


@pytest.mark.slow
def test_a_cell_says_when_seeds_are_missing(tiny_folder, tiny_task):
    folder = tiny_task.parent
    (folder / "suite.toml").write_text(SUITE.replace("MODEL", str(tiny_folder)))
    run_suite(read_suite_file(folder / "suite.toml"), folder / "out")
    next((folder / "out/studies").glob("*/manual/2/result.json")).unlink()
    table = printed(write_report(folder / "out"), "Methods").set_index("method")
    where = ~table["gradients"].isna(), table.columns.difference(["gradients", "average"])[0]
    assert table.loc[where].str.endswith("(1 of 2 seeds)").to_dict() == {"random": False, "manual": True, "two": False}
    assert (table["average"] == "-").to_dict() == {"random": False, "manual": True, "two": False}


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"method": "manuall"}, "did you mean 'manual'"),
        ({"method": "manual", "method_options": {"orders": 2}}, "method 'manual' takes no options"),
        (
            {"method": "manual", "problem": {"shotss": 7}},
            "unknown key of problem: 'shotss'; did you mean 'shots'?",
        ),
        *(
            ({"method": method, "method_options": {option: count}}, f"method '{method}': {option}: Input should be")
            for method, option, counts in (
                ("in-context", "demonstrations", (0, -1)),
                ("in-context", "orders", (0, 10**6)),
                ("chained-decoder", "copies", (0, 10**6)),
                ("chained-decoder", "contexts", (-1, 10**6)),
                ("pretrained", "draws", (0, 10**9)),
            )
            for count in counts
        ),
        ({"method": "study", "prompt": {"tokens": 10**9}}, "a prompt of 1,000,000,000 tokens is longer than the 64 tokens"),
        ({"method": "manual", "objective": "sphere"}, "takes objective 'prompt'"),
        ({"method": "ensemble", "method_options": {"members": 13}}, "members must be between 1 and the 12 queries"),
        (
            {"method": "pretrained", "prompt": {"layers": "all"}},
            "learns prompts before the text, not prompts of each layer",
        ),
    ],
)
def test_mistakes_are_one_line(options, keys, said):
    with pytest.raises(dp.InputError, match=said):
        run_method(config(options, **keys))


def test_a_study_of_a_task_that_changed_since_is_another(options, tiny_task, tmp_path):
    settings = config(options)
    run_study(settings, objective_of(settings), out=tmp_path / "s")
    tiny_task.write_text(tiny_task.read_text().replace("it was", "it is"))
    with pytest.raises(dp.InputError, match="holds another study: task_fingerprint is"):
        run_study(settings, objective_of(settings), out=tmp_path / "s")


def test_every_method_is_listed_with_what_it_needs():
    specs = {spec.name: spec for spec in catalogue().methods}
    assert {"study", "manual", "in-context", "lora", "feature-linear"} <= specs.keys()
    assert specs["lora"].needs_gradients
    assert not specs["lora"].as_a_service


def test_the_program_runs_a_method(program, options):
    where = ["--model", options["model"], "--task", options["task"], "--shots", "4"]
    status, out, _ = program("run", "--method", "manual", *where, "--out", "one")
    assert status == 0
    assert re.search("method +manual", out)
    assert "best loss" not in out
    assert "optimizer" not in out
    status, out, _ = program("predict", "one", "a film")
    assert status == 0
    assert re.fullmatch(r"(\w+)\t\1 0\.\d{3}  \w+ 0\.\d{3}\ta film\n", out)
    for command, fault in (
        (("export", "one"), "holds what method 'manual' found"),
        (("predict", "one", "a film", ""), "example 2 has an empty text"),
        (("predict", "one", "a\tfilm"), "has 2 texts separated by tabs"),
        (("predict", "one", "a film", "--dtype", "float32"), "--dtype is for studies"),
    ):
        status, _, err = program(*command)
        assert (status, err.count("\n"), fault in err) == (2, 1, True)


def test_answers_are_kept_before_the_next_query_and_not_asked_again(options, tmp_path, monkeypatch):
    settings, out = config(options, method="chained-decoder"), tmp_path / "out"
    whole = run_method(settings, out=tmp_path / "whole").result
    ask, asked = Slot.ask, []

    def cut_off(self, texts, *, words):
        if len(asked) == 1:
            raise KeyboardInterrupt
        asked.append(1)
        return ask(self, texts, words=words)

    with monkeypatch.context() as patch:
        patch.setattr(Slot, "ask", cut_off)
        with pytest.raises(KeyboardInterrupt):
            run_method(settings, out=out)
        with pytest.raises(dp.InputError, match="is not finished; run its command again"):
            reopen_method(out)
    assert [file.name for file in (out / "answers").iterdir()] == ["train-0.npz"]
    asked.clear()
    monkeypatch.setattr(Slot, "ask", lambda self, texts, *, words: asked.append(1) or ask(self, texts, words=words))
    found = run_method(settings, out=out)
    assert len(asked) == 2  # dev and test
    assert found.result.held_out == whole.held_out
    assert found.result.spent.only(COUNTS) == whole.spent.only(COUNTS)
    assert found.result.training_seconds >= found.result.spent.seconds > 0
    asked.clear()
    reopened = reopen_method(out)
    assert asked == []
    np.testing.assert_array_equal(reopened.predict(TEXTS), found.fitted.predict(TEXTS))
    assert reopened.classes == ("bad", "good")


LEXICON = """
import pathlib
import dfo_prompt as dp
import numpy as np

def lexicon(setting, *, words: pathlib.Path):
    listed = words.read_text().split()

    def predict(texts):
        found = np.array([any(word in listed for word in " ".join(text).split()) for text in texts])
        return np.stack([~found, found], axis=1).astype(float)

    return dp.Fitted(predict=predict)

@dp.hookimpl
def dfo_prompt_methods():
    return [dp.MethodSpec(name="lexicon", target="lexicon:lexicon", summary="Listed words.")]
"""


def test_probabilities_of_another_number_of_classes_are_refused(options, tmp_path):
    (tmp_path / "lexicon.py").write_text(LEXICON.replace("[~found, found]", "[~found, found, found * 0]"))
    (tmp_path / "words.txt").write_text("good great")
    said = "^method 'lexicon' returned probabilities of 3 classes; the task has 2$"
    with plugin_files(tmp_path / "lexicon.py"), pytest.raises(PluginError, match=said):
        run_method(config(options, method="lexicon", method_options={"words": tmp_path / "words.txt"}))


def test_a_method_is_not_reopened_with_another_file_of_its_options(options, tmp_path):
    (tmp_path / "lexicon.py").write_text(LEXICON)
    (tmp_path / "words.txt").write_text("good great")
    with plugin_files(tmp_path / "lexicon.py"):
        run_method(config(options, method="lexicon", method_options={"words": tmp_path / "words.txt"}), out=tmp_path / "out")
        assert reopen_method(tmp_path / "out").predict([("great film",)]).tolist() == [[0.0, 1.0]]
        (tmp_path / "words.txt").write_text("dull")
        with pytest.raises(dp.InputError, match=r"method.words has changed since 'lexicon' was fitted"):
            reopen_method(tmp_path / "out")


@pytest.mark.parametrize("content", [b"", b"PK no archive", b"half"])
def test_damaged_answers_are_named_in_one_line(options, tmp_path, content):
    settings, out = config(options, method="decoder"), tmp_path / "out"
    run_method(settings, out=out)
    file = out / "answers" / "train-0.npz"
    file.write_bytes(file.read_bytes()[:200] if content == b"half" else content)
    with pytest.raises(
        dp.InputError, match=r"train-0.npz is damaged: .*; delete it and run the same command again"
    ) as error:
        reopen_method(out)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("method", "options_of"),
    [("ensemble", {"members": 2}), ("pretrained", {"tasks": ["TASK"], "draws": 2}), ("tuned-decoder", {})],
)
def test_reopening_reads_inner_studies_and_writes_nothing(options, tmp_path, tiny_task, method, options_of):
    other = tmp_path / "other.toml"
    other.write_text(tiny_task.read_text())
    options_of = {key: [str(other)] if key == "tasks" else value for key, value in options_of.items()}
    out = tmp_path / "out"
    found = run_method(config(options, method=method, method_options=options_of), out=out)
    manifests = [*out.rglob("manifest.json")]
    for manifest in manifests:  # as on another device
        manifest.write_text(manifest.read_text().replace('"device": "cpu"', '"device": "cuda"'))
    before = {file: file.stat().st_mtime_ns for file in out.rglob("*")}
    with FileLock(out / ".lock"):
        np.testing.assert_array_equal(reopen_method(out).predict(TEXTS), found.fitted.predict(TEXTS))
    assert {file: file.stat().st_mtime_ns for file in out.rglob("*")} == before
    inner = next(manifest.parent for manifest in manifests if manifest.parent != out)
    (inner / "result.json").unlink()
    with pytest.raises(dp.InputError, match="has no result; run the command of the method again"):
        reopen_method(out)


PLUGIN = """
import dfo_prompt as dp
from dfo_prompt.methods.decoders import multi_prompt_decoder


def templated(setting):
    return multi_prompt_decoder(setting, templates=("{text} TEMPLATE {answer}",))


@dp.hookimpl
def dfo_prompt_methods():
    return [dp.MethodSpec(name="templated", target="templated:templated", summary="One template.")]
"""


def test_answers_to_earlier_code_are_neither_kept_nor_read(program, options):
    file = Path("templated.py")
    where = ["--model", options["model"], "--task", options["task"], "--shots", "4"]
    run = ["--plugin", "templated.py", "run", "--method", "templated", *where, "--out"]
    file.write_text(PLUGIN.replace("TEMPLATE", "it was"))
    assert program(*run, "one")[0] == 0
    file.write_text(PLUGIN.replace("TEMPLATE", ". the film was so"))
    status, _, err = program("--plugin", "templated.py", "predict", "one", "a film")
    assert (status, "has changed since 'templated' was fitted" in err) == (2, True)
    status, _, err = program("predict", "one", "a film")
    assert (status, "begin the command with dfo-prompt --plugin PATH/templated.py" in err) == (2, True)
    assert program(*run, "one")[0] == 0
    assert program(*run, "two")[0] == 0
    assert [Path(out, "answers", "train-0.npz").stat().st_size for out in ("one", "two")]
    with np.load("one/answers/train-0.npz") as one, np.load("two/answers/train-0.npz") as two:
        np.testing.assert_array_equal(one["figures"], two["figures"])
    predictions = [program("--plugin", "templated.py", "predict", out, "a film")[1] for out in ("one", "two")]
    assert predictions[0] == predictions[1] != ""


def test_scores_that_are_no_probabilities_are_one_line(options, monkeypatch):
    logits = np.array([[-1.0, 2.0]])
    monkeypatch.setattr("dfo_prompt.methods.fixed.manual", lambda setting: dp.Fitted(predict=lambda texts: logits))
    with pytest.raises(dp.PluginError, match=r"^method 'manual' returned no probabilities \(N, C\) of \d+ texts, but array"):
        run_method(config(options, method="manual"))


def test_a_method_on_other_data_is_refused(options, tmp_path, tiny_task):
    run_method(config(options, method="decoder"), out=tmp_path / "out")
    tiny_task.write_text(tiny_task.read_text().replace("it was", "so it was"))
    with pytest.raises(dp.InputError, match="holds another study"):
        reopen_method(tmp_path / "out")


def test_a_larger_budget_keeps_the_results_of_methods_that_spend_none(options, tmp_path):
    def suite(budget):
        study = {"budget": budget, "dim": 6, "popsize": 4, **tables(options)}
        return suite_of({"name": "grown", "seeds": [1], "methods": ["manual"], "study": study}, where="suite", base=tmp_path)

    (plan,) = suite(12).plans
    place = study_path(tmp_path / "out", plan.id)
    with suite_folder(tmp_path / "out", suite(12)):
        run_method(plan.config, out=place)
    files = {name: (place / name).read_bytes() for name in ("manifest.json", "result.json")}
    for budget in (24, 8):
        with suite_folder(tmp_path / "out", suite(budget)):
            assert is_finished(tmp_path / "out", suite(budget).plans[0])
        assert dp.read_suite(tmp_path / "out")["finished"].all()
    assert {name: (place / name).read_bytes() for name in files} == files
    (place / "result.json").unlink()
    run_method(suite(24).plans[0].config, out=place)
    assert (place / "manifest.json").read_bytes() == files["manifest.json"]
