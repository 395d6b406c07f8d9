import ast
from pathlib import Path

from fakes import Bowl, study

import dfo_prompt
from dfo_prompt.config.reading import parse_config
from dfo_prompt.console.figures import print_summary
from dfo_prompt.console.notes import print_plan
from dfo_prompt.report.summary import summarize
from dfo_prompt.run.manifest import describe_run
from dfo_prompt.study.folder import study_folder
from dfo_prompt.study.saved import save_result, save_text

NAME, TEXT = "redrawn:x:mine", "Say :heart: or [bold]:x:"


def test_names_and_prompts_are_printed_as_they_are(tmp_path, capsys):
    manifest = describe_run({"optimizer": NAME, "objective": "bowl", "budget": 50, "seed": 1}, {}, {})
    with study_folder(tmp_path / "study", manifest) as path:
        save_result(path, study(Bowl(), folder=path).run())
        save_text(path / "prompt.txt", TEXT)
    print_summary(summarize(path), path)
    print_plan(parse_config({"optimizer": NAME, "objective": "sphere"}), path)
    out, err = capsys.readouterr()
    assert NAME in out
    assert TEXT in out
    assert NAME in err


def test_every_console_is_opened_in_one_place():
    root = Path(dfo_prompt.__file__).parent
    calls = {
        str(file.relative_to(root))
        for file in root.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("Console", "_Console")
    }
    assert calls == {"console/terminal.py"}
