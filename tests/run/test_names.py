import pytest


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--optimizer", "cna"), "unknown optimizer 'cna'"),
        (("--projection", "nromal"), "unknown projection 'nromal'"),
        (("--task", "agnwes"), "unknown task 'agnwes'"),
        (("--method", "zero-shto"), "unknown method 'zero-shto'"),
        (("--set", "optimizer.nothing=1"), "unknown option of optimizer 'cma': 'nothing'"),
        (("--set", "objective.nothing=1"), "unknown option of objective 'prompt': 'nothing'"),
        (("--set", "prompt.projection_options.nothing=1"), "unknown option of projection 'normal': 'nothing'"),
    ],
)
def test_names_are_checked_before_data_and_model(program, flags, said):
    status, _, err = program("run", "--data", "missing.csv", "--model", "missing", *flags)
    assert (status, err.count("\n")) == (2, 1)
    assert said in err
