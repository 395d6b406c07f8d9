"""`dfo-prompt serve` and the objective "remote" refuse invalid settings before they serve anything."""

import socket
import subprocess
import sys

import pytest
from servers import blocked

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ("--objective sphere --host 0.0.0.0", "others reach 0.0.0.0: give --token-file, or leave out --host"),
        ("--objective sphere --token-file none", "cannot read none"),
        ("--objective sphere --store .", "cannot use . as a store"),
        ("--objective sphere --dim 3 --host 127.0.0.1 --port {taken}", "cannot listen at 127.0.0.1, port"),
        ("--objective shpere", "did you mean 'sphere'?"),
        ("--objective sphere --set objective.nosie=1", "did you mean 'noise'?"),
        ("--objective sphere --host 127.evil.com", "others reach 127.evil.com: give --token-file"),
        ("--objective sphere --set budget=7", "budget is of a study, and changes nothing that is served; leave it out"),
        ("--objective sphere --set sigma=2 --set dim=3", "sigma is of a study"),
        ("--objective sphere --set stop.patience=3", "stop is of a study"),
        ("--objective sphere --set inopts=3", "optimizer_options is of a study"),
        ("--objective sphere --patience 3", "No such option"),
    ],
)
def test_bad_input_is_one_line(program, flags, said):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        status, out, err = program("serve", *flags.format(taken=taken.getsockname()[1]).split())
    assert (status, out, err.count("\n"), said in err) == (2, "", 1, True)


@pytest.mark.parametrize(
    ("missing", "flags", "extra"),
    [
        ("uvicorn", "serve --objective sphere", "serve"),
        ("starlette", "serve --objective sphere", "serve"),
        ("prometheus_client", "serve --objective sphere", "serve"),
        ("stamina", "run --objective remote --set objective.url=http://x", "remote"),
        ("httpx2", "run --objective remote --set objective.url=http://x", "remote"),
    ],
)
def test_a_missing_extra_is_one_line(tmp_path, missing, flags, extra):
    command = [sys.executable, "-m", "dfo_prompt", *flags.split()]
    where = {"cwd": tmp_path, "env": blocked(tmp_path, missing)}
    done = subprocess.run(command, **where, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert f"pip install 'dfo-prompt[{extra}]'" in done.stderr
