"""The real small model on the task of quickstart, served to a process that cannot import torch."""

import json
import subprocess
import sys

import pytest
from servers import blocked

from dfo_prompt.study.costs import read_spent
from dfo_prompt.study.records import Account, read_records

pytestmark = pytest.mark.real

PROBLEM = "--task bbc-headlines --prompt-tokens 10 --dtype float32 --shots 4 --test-examples 40 --dim 200 --seed 1"
SEARCH = "--dim 200 --seed 1 --budget 10 --popsize 5 --sigma 0.5"


def test_its_study_by_a_service_has_the_local_losses(program, tmp_path, serve):
    server = serve(*PROBLEM.split())
    (tmp_path / "none").mkdir()
    lean = blocked(tmp_path / "none", "torch", "transformers")
    ours = ["run", "--objective", "remote", "--set", f"objective.url={server.url}", *SEARCH.split(), "--out", "remote"]
    command = [sys.executable, "-m", "dfo_prompt", *ours]
    done = subprocess.run(command, cwd=tmp_path, env=lean, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    server.stop()
    status, _, err = program("run", *PROBLEM.split(), *SEARCH.split()[4:], "--out", "local")
    assert status == 0, err
    for account in Account:
        for one, other in zip(*(read_records(tmp_path / name, account) for name in ("remote", "local")), strict=True):
            assert (one.candidate, one.split, one.role, one.status) == (
                other.candidate,
                other.split,
                other.role,
                other.status,
            )
            assert one.loss == pytest.approx(other.loss, abs=1e-6)
            assert one.metrics == pytest.approx(other.metrics)
    spent = read_spent(tmp_path / "remote")
    assert 10 * 200 * 8 < spent.uploaded < 10 * 200 * 12  # z in base64, not the 6 KB of token ids a query
    assert spent.downloaded < 10 * 200
    result = json.loads((tmp_path / "remote" / "result.json").read_text())
    assert result["user_bytes"] < result["peak_bytes"]
