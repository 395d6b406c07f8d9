import shutil

import pytest
from suites import finished_suite

from dfo_prompt.report.write import write_report

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
    folder = finished_suite(tmp_path_factory.mktemp("suites"), SUITE)
    write_report(folder)
    return folder


@pytest.fixture
def copy(finished, tmp_path):
    shutil.copytree(finished, tmp_path / "out")
    return tmp_path / "out"
