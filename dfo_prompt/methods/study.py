"""The method `study`: a study of the entry's own objective."""

from dfo_prompt.contracts.objective import Predictor
from dfo_prompt.errors import InputError
from dfo_prompt.methods.setting import Fitted, Setting
from dfo_prompt.run.study import conduct
from dfo_prompt.tasks.examples import Texts
from dfo_prompt.types import Matrix


def study(setting: Setting) -> Fitted:
    """Search with the entry's optimizer and keep the best candidate on dev."""
    objective = setting.objectives.get(setting.config)
    result = conduct(setting.config, objective, out=setting.folder, observers=setting.observers, checked=setting.checked)

    def predict(texts: Texts) -> Matrix:
        if not isinstance(objective, Predictor):
            raise InputError(f"objective {setting.config.objective!r} tunes no prompt, so there is nothing to label with")
        return objective.predict(result.chosen, texts)

    return Fitted(predict=predict, spent=result.spent, validation=result.validation, result=result)
