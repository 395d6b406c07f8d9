"""Study folders: manifests, starts and observers."""

import json
from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest
from fakes import Bowl, HeldOutBowl, Paid

import dfo_prompt as dp
from dfo_prompt.config.reading import parse_config
from dfo_prompt.errors import InputError, OutageError, PluginError, StudyError
from dfo_prompt.plugin.catalogue import plugin_files
from dfo_prompt.run.code import code_of
from dfo_prompt.run.reopen import reopen
from dfo_prompt.study.best import answer_of, best_so_far
from dfo_prompt.study.costs import Spent, read_spent
from dfo_prompt.study.identity import read_manifest
from dfo_prompt.study.records import Account

PRICES = {"request": 0.000001}  # 1,000 nanodollars


class OutOfPocket(OSError):
    """An error that knows what was consumed."""

    usage = dp.Usage(tokens=3, requests=1)


class Moved(Bowl):
    """The sphere around a point; dies after so many queries."""

    def __init__(self, at=0.0, lives=10**9):
        super().__init__()
        self.at, self.lives = at, lives

    def evaluate(self, candidates):
        if self.queries >= self.lives:
            raise KeyboardInterrupt
        self.queries += len(candidates)
        return dp.Evaluation(losses=((candidates - self.at) ** 2).sum(axis=1))


@pytest.mark.parametrize("lives", [14, 10**9])
def test_a_plain_objective_that_changed_is_found_out(tmp_path, lives):
    try:
        first = dp.minimize(Moved(lives=lives), budget=35, popsize=7, out=tmp_path / "s")
    except KeyboardInterrupt:
        first = None
    late = Moved(at=5.0)
    with pytest.raises(InputError, match=r"for the candidate of query 1 the objective gives \S+ now, and gave"):
        dp.minimize(late, budget=35, popsize=7, out=tmp_path / "s")
    assert late.queries == 1
    same = dp.minimize(Moved(), budget=35, popsize=7, out=tmp_path / "s")
    assert same.validation.repeated == 2  # once for each time that it went on
    assert first is None or first.best_loss == same.best_loss


@pytest.mark.parametrize(
    ("before", "now", "same"), [(1.0, 1.0005, True), (1.0, 1.002, False), (0.0, 1e-13, True), (0.0, 1e-11, False)]
)
def test_losses_of_a_plain_objective_may_differ_by_rounding_when_a_study_goes_on(tmp_path, before, now, same):
    class Flat(Bowl):
        def __init__(self, loss):
            super().__init__()
            self.loss = loss

        def evaluate(self, candidates):
            return dp.Evaluation(losses=np.full(len(candidates), self.loss))

    dp.minimize(Flat(before), budget=14, out=tmp_path / "s")
    with nullcontext() if same else pytest.raises(InputError, match="for the candidate of query 1 the objective gives"):
        dp.minimize(Flat(now), budget=14, out=tmp_path / "s")


def test_one_whose_losses_vary_can_say_so(tmp_path):
    class Noisy(Bowl):
        deterministic = False

        def evaluate(self, candidates):
            self.queries += len(candidates)
            return dp.Evaluation(losses=np.random.default_rng().random(len(candidates)))

    first = dp.minimize(Noisy(), budget=20, out=tmp_path / "s")
    assert dp.minimize(Noisy(), budget=20, out=tmp_path / "s").best_loss == first.best_loss


def failing(objective, error):
    def evaluate(_):
        raise error

    objective.evaluate = evaluate
    return objective


SOME, ESTIMATE = {"tokens": 3, "requests": 1}, {"rows": 1, "tokens": 10, "requests": 1, "unanswered": 1}
FAILURES = {  # what a repeated query is charged: the error, the type of the study's error, and the currencies
    "raises": (OSError("garbled"), StudyError, ESTIMATE),
    "raises with a usage": (OutOfPocket("garbled"), StudyError, SOME),
    "is away": (OutageError("away"), OutageError, ESTIMATE),
    "is away with a usage": (
        OutageError("away", usage=dp.Usage(tokens=3, requests=1)),
        OutageError,
        {"tokens": 3, "requests": 1},
    ),
    "is away unasked": (OutageError("away", usage=dp.Usage()), OutageError, {}),
}


@pytest.mark.parametrize("case", FAILURES)
def test_one_that_fails_when_it_is_asked_again_is_charged_and_can_be_mended(tmp_path, case):
    error, kind, usage = FAILURES[case]
    whole = dp.minimize(Paid(), budget=20, out=tmp_path / "s", prices=PRICES)
    journal = (tmp_path / "s" / "journal.jsonl").read_bytes()
    before = read_spent(tmp_path / "s", Account.VALIDATION)
    with pytest.raises(kind, match="asked again for query 1, the objective failed with 'error: |away"):
        dp.minimize(failing(Paid(), error), budget=20, out=tmp_path / "s", prices=PRICES)
    charged = dp.Usage(**usage, nanodollars=1000 * usage.get("requests", 0))
    after = read_spent(tmp_path / "s", Account.VALIDATION)
    assert after == replace(before + Spent.of(charged), repeated=before.repeated + 1)
    sound = Paid()
    mended = dp.minimize(sound, budget=20, out=tmp_path / "s", prices=PRICES)
    assert (mended.best_loss, mended.spent) == (whole.best_loss, whole.spent)
    assert (tmp_path / "s" / "journal.jsonl").read_bytes() == journal
    bill = replace(sound.bill, nanodollars=1000 * sound.bill.requests)
    assert mended.validation == replace(after + Spent.of(bill), repeated=after.repeated + 1)


def test_one_that_fails_free_of_charge_can_be_mended(tmp_path):
    whole = dp.minimize(Bowl(), budget=20, out=tmp_path / "s")
    with pytest.raises(StudyError, match="asked again for query 1, the objective failed with 'error: ZeroDivisionError"):
        dp.minimize(failing(Bowl(), ZeroDivisionError()), budget=20, out=tmp_path / "s")
    sound = Bowl()
    again = dp.minimize(sound, budget=20, out=tmp_path / "s")
    assert sound.queries == 1  # asked again, and nothing else
    assert (again.best_loss, again.spent) == (whole.best_loss, whole.spent)
    assert again.validation == replace(whole.validation, repeated=2)


PLUGIN = """
import dfo_prompt as dp

class Bowl:
    dim = 3
    def evaluate(self, candidates):
        return dp.Evaluation(losses=FACTOR * (candidates**2).sum(axis=1))

def build(*, dim, seed):
    return Bowl()

@dp.hookimpl
def dfo_prompt_objectives():
    return [dp.Spec(name="own", target="STEM:build", summary="")]
"""


def plugin(folder, stem, factor):
    file = folder / f"{stem}.py"
    file.write_text(PLUGIN.replace("FACTOR", factor).replace("STEM", stem))
    return file


def test_the_code_of_a_plugin_file_is_part_of_a_study(program, tmp_path):
    def run(factor, stem="own_code"):
        plugin(tmp_path, stem, factor)
        flags = ["--objective", "own", "--dim", "3", "--budget", "20", "--out", "s"]
        return program("--plugin", f"{stem}.py", "run", *flags)

    assert run("1.0")[0] == 0
    assert read_manifest(tmp_path / "s")["code"]["own_code.py"].startswith("sha256 ")
    status, _, err = run("1.00")  # the same, and yet
    assert status == 2
    assert "own_code.py is 'sha256 " in err.splitlines()[-1]
    assert "--start-from" in err
    manifest = tmp_path / "s" / "manifest.json"
    manifest.write_text(json.dumps({name: part for name, part in read_manifest(tmp_path / "s").items() if name != "code"}))
    assert run("1.0")[0] == 0  # of an earlier version, which did not keep it


def test_the_versions_of_installed_plugins_are_part_of_a_study(tmp_path):
    config = parse_config(
        {"optimizer": "rembo:cmaes:sep", "objective": "sphere", "plugin": str(plugin(tmp_path, "mine", "2"))}
    )
    with plugin_files(tmp_path / "mine.py"):
        code = code_of(config)
    assert sorted(code) == ["dfo-prompt-cmaes", "mine.py"]
    assert code_of(parse_config({"optimizer": "cma:sep", "objective": "sphere"})) == {}


def test_the_hash_of_a_secret_is_no_part_of_a_study(tmp_path):
    (tmp_path / "token").write_text("secret")
    options = {"url": "http://127.0.0.1:9", "token_file": str(tmp_path / "token")}
    assert code_of(parse_config({"objective": "remote", "objective_options": options})) == {}


PARTS = """
import dfo_prompt as dp
from dfo_prompt.optimizers.random_search import RandomSearch

class Endpoint:
    def __init__(self, *, url, model, key, timeout, patience, concurrency):
        pass

class Mine(RandomSearch):
    pass

@dp.hookimpl
def dfo_prompt_endpoints():
    return [dp.Spec(name="mine", target="parts:Endpoint", summary="")]

@dp.hookimpl
def dfo_prompt_optimizers():
    return [dp.OptimizerSpec(name="own", target="parts:Mine", summary="")]
"""


@pytest.mark.parametrize(
    "settings",
    [
        {"endpoint": {"kind": "mine", "url": "http://localhost:1"}},
        {"optimizer": "two-stage:cma", "optimizer_options": {"second": "own"}},
        {
            "optimizer": "two-stage:cma",
            "optimizer_options": {"second": "two-stage:cma", "second_options": {"second": "sre:own"}},
        },
    ],
)
def test_the_code_of_an_endpoint_and_of_optimizers_in_options_is_part_of_a_study(tmp_path, settings):
    (tmp_path / "parts.py").write_text(PARTS)
    with plugin_files(tmp_path / "parts.py"):
        assert [*code_of(parse_config(settings))] == ["parts.py"]


def test_a_study_of_a_version_that_listed_less_code_goes_on(program, tmp_path):
    (tmp_path / "parts.py").write_text(PARTS)
    keys = ["--optimizer", "two-stage:cma", "--set", "optimizer.second=own", "--objective", "sphere", "--dim", "3"]
    command = ("--plugin", "parts.py", "run", *keys, "--budget", "20", "--out", "s")
    assert program(*command)[0] == 0
    manifest = tmp_path / "s" / "manifest.json"
    manifest.write_text(json.dumps({**read_manifest(tmp_path / "s"), "code": {}}))
    assert program(*command)[0] == 0
    manifest.write_text(json.dumps({**read_manifest(tmp_path / "s"), "code": {"parts.py": "sha256 0"}}))
    assert "parts.py is 'sha256 0' there" in program(*command)[2]


def test_a_study_starts_from_the_answer_of_another(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        dp.minimize(Moved(at=1.0, lives=21), budget=70, popsize=7, out=tmp_path / "a")
    best, record = best_so_far(tmp_path / "a")

    class First(Bowl):
        def evaluate(self, candidates):
            self.first = getattr(self, "first", candidates[0])
            return super().evaluate(candidates)

    def start(**more):
        return dp.minimize(First(), budget=20, sigma=1e-9, out=tmp_path / "b", start_from=tmp_path / "a", **more)

    result = start()
    np.testing.assert_allclose(result.best, best, atol=1e-6)
    manifest = read_manifest(tmp_path / "b")
    assert manifest["start_from"].items() >= {"study": "a", "candidate": record.candidate, "queries": 21}.items()
    assert manifest["config"]["x0"] == best.tolist()
    dp.minimize(Moved(at=1.0), budget=70, popsize=7, out=tmp_path / "a")
    np.testing.assert_array_equal(start().best, result.best)  # its source went on, and it stays what it is
    with pytest.raises(InputError, match="x0 and start_from are both given"):
        start(x0=np.zeros(3))
    for change, said in (
        ({"out": tmp_path / "a"}, "cannot start from itself"),
        ({"bounds": (-1e-9, 1e-9)}, "outside the bounds"),
    ):
        with pytest.raises(InputError, match=said):
            dp.minimize(Bowl(), **{"budget": 20, "start_from": tmp_path / "a", **change})
    with pytest.raises(InputError, match=r"cannot start from .*: x0 has 3 coordinates, dim is 5"):
        dp.minimize(Bowl(5), budget=20, start_from=tmp_path / "a")


def test_a_study_that_goes_on_has_the_source_that_it_began_with(tmp_path):
    for number, parent in enumerate("ab"):
        dp.minimize(Bowl(), budget=20, seed=number, out=tmp_path / parent / "1")
    started = dp.minimize(Bowl(), budget=20, out=tmp_path / "c", start_from=tmp_path / "a" / "1")
    (tmp_path / "moved").mkdir()
    (tmp_path / "a" / "1").rename(tmp_path / "moved" / "1")
    again = dp.minimize(Bowl(), budget=20, out=tmp_path / "c", start_from=tmp_path / "moved" / "1")
    assert again.best_loss == started.best_loss
    with pytest.raises(InputError, match=r"c started from another study than \S+1; choose another --out"):
        dp.minimize(Bowl(), budget=20, out=tmp_path / "c", start_from=tmp_path / "b" / "1")


def test_an_objective_that_numbers_its_evaluations_is_not_asked_without_a_number(tmp_path):
    class Numbered(Bowl):
        def __init__(self):
            super().__init__()
            self.heard = []

        def expect(self, account, first):
            self.heard.append((account, first))

        def evaluate(self, candidates):
            assert self.heard
            return super().evaluate(candidates)

    dp.minimize(Numbered(), budget=20, out=tmp_path / "s")
    late = Numbered()
    dp.minimize(late, budget=20, out=tmp_path / "s")
    assert not late.heard


def test_the_command_line_starts_from_another_study(program, tmp_path):
    flags = ["--objective", "sphere", "--dim", "5", "--budget", "20", "--seed", "1"]
    assert program("run", *flags, "--out", "a")[0] == 0
    assert program("run", *flags, "--out", "b", "--start-from", "a")[0] == 0
    assert read_manifest(tmp_path / "b")["config"]["x0"] == answer_of(tmp_path / "a").candidate.tolist()
    status, _, err = program("run", *flags, "--out", "c", "--start-from", "nowhere")
    assert (status, "nowhere is not a study folder" in err) == (2, True)


def test_an_unfinished_study_is_opened_at_its_best(program, tmp_path):
    flags = ["--objective", "sphere", "--dim", "5", "--budget", "40", "--out", "s"]
    assert program("run", *flags)[0] == 0
    for name in ("result.json", "candidates.npz"):
        (tmp_path / "s" / name).unlink()
    objective, candidate = reopen(tmp_path / "s")
    best, record = best_so_far(tmp_path / "s")
    np.testing.assert_array_equal(candidate, best)
    assert objective.evaluate(candidate[None]).losses[0] == record.loss
    status, out, _ = program("show", "s")
    assert (status, "unfinished" in out, f"query {record.query}, for predict" in out) == (0, True, True)


class Watch:
    def __init__(self):
        self.told = []

    def study_started(self, info):
        self.told.append(info.config["optimizer"])

    def batch_evaluated(self, batch):
        pass

    def study_finished(self, result):
        self.told.append("finished")

    def validated(self, validation):
        self.told.append((validation.split, validation.role, validation.metric, validation.score))

    def failed(self, error):
        self.told.append(error)


def test_observers_are_told_of_configuration_scores_and_failures(tmp_path):
    watch, again = Watch(), Watch()
    result = dp.minimize(HeldOutBowl(), budget=20, out=tmp_path / "s", observers=[watch])
    assert (watch.told[0], watch.told[-1]) == ("cma", "finished")
    assert ("dev", "baseline", "nearness", result.held_out.manual_dev_metric) in watch.told
    assert ("test", result.held_out.role, "nearness", result.held_out.test_metric) in watch.told
    dp.minimize(HeldOutBowl(), budget=20, out=tmp_path / "s", observers=[again])
    assert again.told == watch.told
    broken = HeldOutBowl()
    broken.evaluate = lambda _: 3
    with pytest.raises(PluginError):
        dp.minimize(broken, budget=20, observers=[watch])
    assert watch.told[-1] == "the objective gave a int, not an Evaluation"
