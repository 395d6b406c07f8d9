"""Tunes an instruction by promptolution over a server; `texts.py` runs this file where that package is installed.

    python evolved.py FILE.json

The file has the server's address, the optimizer, the budget in tokens, the examples, and the first instructions. Tokens are
those that the server counts: of the model that labels, and of the model that writes instructions, which are the same.
"""

import json
import random
import sys
from importlib.metadata import version
from pathlib import Path
from time import perf_counter

import numpy as np
import pandas as pd
from processes import counted
from promptolution.llms import APILLM
from promptolution.optimizers import CAPO, EvoPromptGA
from promptolution.predictors import FirstOccurrencePredictor
from promptolution.tasks import ClassificationTask
from promptolution.utils.callbacks import BaseCallback


def main() -> None:
    """Tune, and write the test accuracy of the best prompt, tokens and seconds to standard output as JSON."""
    setting = json.loads(Path(sys.argv[1]).read_text())
    random.seed(setting["seed"])
    np.random.seed(setting["seed"])  # noqa: NPY002 - promptolution draws from it
    url = setting["url"]

    def llm(tokens: int) -> APILLM:
        return APILLM(api_url=f"{url}/v1", model_id="smol", api_key="none", max_tokens=tokens, max_concurrent_calls=1)

    labels, writes = llm(setting["answer_tokens"]), llm(setting["instruction_tokens"])
    predictor = FirstOccurrencePredictor(llm=labels, classes=setting["classes"])
    task = ClassificationTask(
        df=pd.DataFrame(setting["train"], columns=["x", "y"]),
        task_description=setting["description"],
        n_subsamples=setting["block"],
        eval_strategy="sequential_block" if setting["optimizer"] == "capo" else "full",
        seed=setting["seed"],
    )
    common = {"predictor": predictor, "task": task, "meta_llm": writes, "initial_prompts": setting["instructions"]}
    before, began = counted(url), perf_counter()
    limit = Limit(url, before + setting["budget"])
    if setting["optimizer"] == "capo":
        # Its own checks and reasons of demonstrations would be written by a model that cannot.
        optimizer = CAPO(**common, callbacks=[limit], check_fs_accuracy=False, create_fs_reasoning=False)
    else:
        optimizer = EvoPromptGA(**common, callbacks=[limit])
    prompts = optimizer.optimize(n_steps=1000)
    seconds, tokens = perf_counter() - began, counted(url) - before
    texts, answers = zip(*setting["test"], strict=True)
    found, _ = predictor.predict(prompts=[prompts[0].construct_prompt()] * len(texts), xs=[*texts])
    accuracy = float(np.mean([a == b for a, b in zip(found, answers, strict=True)]))
    figures = {"test_accuracy": accuracy, "tokens": tokens, "seconds": round(seconds, 1), "steps": limit.steps}
    sys.stdout.write(json.dumps({**figures, "promptolution": version("promptolution")}) + "\n")


class Limit(BaseCallback):
    """Ends the search once the server has counted the tokens of the budget."""

    def __init__(self, url: str, most: int) -> None:
        super().__init__()
        self._url, self._most, self.steps = url, most, 0

    def on_step_end(self, optimizer: object) -> bool:  # noqa: ARG002
        """Tell whether to go on."""
        self.steps += 1
        return counted(self._url) < self._most


if __name__ == "__main__":
    main()
