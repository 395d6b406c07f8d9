import numpy as np
import pytest
import torch

import dfo_prompt as dp


def prompts(loss="cross_entropy"):
    from dfo_prompt.testing.tiny import TASK, few_shot, tiny_lm

    problem = dp.Problem(lm=tiny_lm(), task=TASK, data=few_shot(), seed=0)
    matrix = np.random.default_rng(0).standard_normal((8, 3 * problem.lm.width)) / 3

    def projection(z):
        return torch.from_numpy(z @ matrix).float().reshape(len(z), 3, -1)

    return dp.PromptObjective(problem=problem, projection=projection, prompt_tokens=3, dim=8, loss=loss, dtype="float32")


def files(folder):
    return {name: (folder / name).read_bytes() for name in ("journal.jsonl", "outputs.f64", "candidates.f64")}


@pytest.mark.parametrize("name", ["structured:gauss-newton", "structured:cma"])
def test_prompts_are_tuned_by_the_scores_of_each_query(tmp_path, name):
    objective, settings = prompts(), {"optimizer": name, "budget": 40, "popsize": 8, "seed": 1}
    result = dp.minimize(objective, out=tmp_path, **settings)
    assert result.best_loss < objective.evaluate(np.zeros((1, 8))).losses[0]
    kept = files(tmp_path)
    assert len(kept["outputs.f64"]) == 40 * objective.outer.size * 8
    assert result.user_bytes
    (tmp_path / "result.json").unlink()
    for file in ("journal.jsonl", "outputs.f64"):
        (tmp_path / file).write_bytes(kept[file][: len(kept[file]) // 2])
    assert dp.minimize(objective, out=tmp_path, **settings).best_loss == result.best_loss
    assert files(tmp_path) == kept


def test_a_hinge_has_no_outputs():
    with pytest.raises(dp.InputError, match="'structured:cma' learns from outputs"):
        dp.minimize(prompts("hinge"), optimizer="structured:cma", budget=9)
