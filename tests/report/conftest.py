import shutil

import pytest

from dfo_prompt.report.write import write_report
from dfo_prompt.suite.reading import read_suite_file
from dfo_prompt.suite.run import run_suite

SUITE = """\
name = "little & <small>"
seeds = [1, 2, 3]
threads = 1
optimizers = ["cma", "random", { name = "far", optimizer = "random", sigma = 5.0 }]
[study]
dim = 4
budget = 60
popsize = 6
sigma = 0.5
[cross]
objective = ["sphere", "ellipsoid", "rastrigin"]
"""


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("suites")
    (folder / "suite.toml").write_text(SUITE)
    run_suite(read_suite_file(folder / "suite.toml"), folder / "out")
    write_report(folder / "out")
    return folder / "out"


@pytest.fixture
def copy(finished, tmp_path):
    shutil.copytree(finished, tmp_path / "out")
    return tmp_path / "out"
