"""The page on tasks shows the files that its commands write."""

import re
import shlex
from pathlib import Path

from dfo_prompt.tasks.task import load_task

PAGE = (Path(__file__).parents[2] / "docs" / "pages" / "tutorials" / "task.md").read_text()


def test_the_commands_of_the_page_write_the_file_that_it_shows(program, tiny_folder, tmp_path):
    (table,) = re.findall(r"```csv\n(.*?)```", PAGE, flags=re.S)
    (shown,) = re.findall(r"```toml\n(.*?)```", PAGE, flags=re.S)
    new, run, drafted, _ = re.findall(r"^dfo-prompt (.*)$", PAGE, flags=re.M)
    (tmp_path / "reviews.csv").write_text(table)
    model = ["--model", str(tiny_folder)]
    status, out, err = program(*shlex.split(new), *model)
    assert status == 0, err
    assert (tmp_path / "reviews.toml").read_text() == shown
    assert f"dfo-prompt {run}" == out.splitlines()[-1].strip().replace(f"{shlex.join(model)} --shots 1 ", "")
    small = [*model, "--dim", "2", "--popsize", "2", "--prompt-tokens", "1", "--shots", "1"]
    (tmp_path / "reviews.csv").write_text(table + "5;fun;1\n6;dull;0\n")
    for number, command in enumerate((run, drafted)):
        status, _, err = program(*shlex.split(command), *small, "--budget", "2", "--out", str(number))
        assert status == 0, err
    (file,) = (tmp_path / "tasks").iterdir()
    assert load_task(file).labels == load_task(tmp_path / "reviews.toml").labels
