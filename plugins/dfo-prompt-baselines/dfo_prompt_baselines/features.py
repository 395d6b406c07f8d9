"""Trains classifiers on frozen hidden states, which some services return (Sun et al., 2022)."""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.nn.utils.rnn import pack_sequence, pad_sequence

import dfo_prompt as dp
from dfo_prompt._util.memory import allocated_by
from dfo_prompt.contracts.usage import BYTES_PER_NUMBER
from dfo_prompt.lm.precision import DTYPES
from dfo_prompt_baselines.batches import runs_of
from dfo_prompt_baselines.training import Size, best_state, quality_of, reduced_precision, seeded

STRENGTHS = (0.01, 0.1, 1.0, 10.0)
"""The regularisation strengths to try; the best on dev is kept."""
MAX_TEXTS = 1024
"""The largest number of texts whose representations are in memory at once."""
States = list[Tensor]
"""The token representations (L, E) of each text."""


def linear(setting: dp.Setting) -> dp.Fitted:
    """Fit a logistic regression on one hidden state per text: the last token's for causal models, else the first's."""
    return _by_grid(setting, lambda strength: LogisticRegression(C=1 / strength, max_iter=2000))


def mlp(setting: dp.Setting, *, width: Size = 64) -> dp.Fitted:
    """Fit a neural network with one hidden layer on one hidden state per text.

    Args:
        setting: the entry's setting.
        width: units of the hidden layer.
    """
    seed = setting.problem.seed % 2**32  # scikit-learn's range of seeds
    return _by_grid(
        setting,
        lambda strength: MLPClassifier((width,), alpha=strength, solver="lbfgs", max_iter=2000, random_state=seed),
    )


def bilstm(
    setting: dp.Setting,
    *,
    width: Size = 64,
    learning_rate: dp.Positive = 3e-3,
    epochs: dp.Count = 60,
    patience: dp.Count = 10,
) -> dp.Fitted:
    """Train a BiLSTM on the hidden states of all tokens, by Adam with early stopping on dev.

    Args:
        setting: the entry's setting.
        width: units of the LSTM in each direction.
        learning_rate: step size of Adam.
        epochs: largest number of epochs, each one step on all training texts.
        patience: number of epochs without a better dev metric, or an equal one and a lower loss, after which training ends.
    """
    problem = setting.problem
    train, dev = _Features(setting, "train"), _Features(setting, "dev")
    with seeded(problem.seed):
        model = _BiLSTM(train.states[0].shape[1], width, len(problem.task.classes)).to(problem.lm.device)
    weights: list[Tensor] = list(model.parameters())
    optimizer = torch.optim.Adam(weights, lr=learning_rate)

    def step() -> None:
        loss = cross_entropy(model(train.states), train.labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    def quality() -> tuple[float, float]:
        with torch.no_grad():
            return quality_of(problem, model(dev.states), dev.labels)

    best_state(weights, step=step, quality=quality, epochs=epochs, patience=patience).load(weights)
    head = sum(weight.nbytes for weight in weights)
    # Memory of the user: the classifier, its gradient, two moments of Adam, and the hidden states of the training texts.
    user = 4 * head + sum(states.nbytes for states in train.states)

    @torch.inference_mode()
    def predict(texts: dp.Texts) -> dp.Matrix:
        return _in_parts(texts, lambda part: model(_states(setting, part)).double().softmax(dim=1).cpu().numpy())

    spent, validation = (split.spent(every_token=True) for split in (train, dev))
    return dp.Fitted(predict=predict, spent=spent, validation=validation, user_bytes=user)


def _by_grid(setting: dp.Setting, build: Callable[[float], Any]) -> dp.Fitted:
    """Fit the classifier that `build` returns for each strength, and use the best on dev."""
    problem = setting.problem
    train, dev = _Features(setting, "train"), _Features(setting, "dev")
    (features, held_out), labels = (_pooled(problem, part.states) for part in (train, dev)), train.labels.cpu().numpy()
    fitted: dict[float, Any] = {}

    def fit() -> None:
        for strength in STRENGTHS:
            fitted[strength] = make_pipeline(StandardScaler(), build(strength)).fit(features, labels)

    user = features.nbytes + allocated_by(fit)

    def quality(strength: float) -> tuple[float, float]:
        scores: dp.Matrix = fitted[strength].predict_proba(held_out)
        return problem.metric_of(scores, "dev"), strength  # among equals, the stronger regularisation

    best = max(STRENGTHS, key=quality)

    def predict(texts: dp.Texts) -> dp.Matrix:
        return _in_parts(texts, lambda part: fitted[best].predict_proba(_pooled(problem, _states(setting, part))))

    spent, validation = (split.spent(every_token=False) for split in (train, dev))
    return dp.Fitted(predict=predict, spent=spent, validation=validation, user_bytes=user, about={"strength": best})


def _in_parts(texts: dp.Texts, score: Callable[[dp.Texts], dp.Matrix]) -> dp.Matrix:
    return np.concatenate([score(texts[start : start + MAX_TEXTS]) for start in range(0, len(texts), MAX_TEXTS)])


class _Features:
    """The hidden states of a split's texts, and their classes (N,)."""

    def __init__(self, setting: dp.Setting, split: str) -> None:
        started, problem = perf_counter(), setting.problem
        self.states = _states(setting, problem.texts(split))
        self.labels = torch.as_tensor(problem.labels(split), device=problem.lm.device)
        self._seconds = perf_counter() - started

    def spent(self, *, every_token: bool) -> dp.Spent:
        """Return the costs of the hidden states, which count as one query."""
        rows, tokens, width = len(self.states), sum(map(len, self.states)), self.states[0].shape[1]
        values = (tokens if every_token else rows) * width
        return dp.Spent(
            queries=1,
            rows=rows,
            tokens=tokens,
            uploaded=BYTES_PER_NUMBER * tokens,
            downloaded=BYTES_PER_NUMBER * values,
            objective_seconds=self._seconds,
        )


class _BiLSTM(nn.Module):
    def __init__(self, size: int, width: int, classes: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(size, width, bidirectional=True)
        self.head = nn.Linear(2 * width, classes)

    def forward(self, states: States) -> Tensor:
        _, (last, _) = self.lstm(pack_sequence(states, enforce_sorted=False))  # (2, N, width)
        logits: Tensor = self.head(torch.cat([last[0], last[1]], dim=1))
        return logits


@torch.no_grad()
def _states(setting: dp.Setting, texts: dp.Texts) -> States:
    """Return the last hidden states of each text's tokens, without a template."""
    problem, precision = setting.problem, _precision(setting)
    lm = problem.lm
    ahead, behind = lm.frame
    room = lm.max_tokens - len(ahead) - len(behind)
    tokens = [lm.tokens("\n".join(text)) for text in texts]
    if cut := sum(len(sequence) > room for sequence in tokens):
        said = f"{cut:,} of {len(texts):,} texts of task {problem.task.name!r} do not fit in the {lm.max_tokens:,} tokens"
        logging.getLogger(__name__).warning("%s that %r takes: their ends are left out", said, lm.name)
    ids = [torch.tensor(ahead + sequence[:room] + behind, device=lm.device) for sequence in tokens]
    lengths = torch.tensor([len(sequence) for sequence in ids])
    states_of: dict[int, Tensor] = {}
    for rows in map(Tensor.tolist, runs_of(lengths)):
        padded = pad_sequence([ids[row] for row in rows], batch_first=True)
        mask = pad_sequence([torch.ones_like(ids[row]) for row in rows], batch_first=True)
        with precision():
            states = lm.body(input_ids=padded, attention_mask=mask).last_hidden_state
        states_of |= {row: state[: lengths[row]].float() for row, state in zip(rows, states, strict=True)}
    return [states_of[row] for row in range(len(ids))]


def _precision(setting: dp.Setting) -> Callable[[], AbstractContextManager[object]]:
    """Return the context of forward passes: bfloat16 for "auto" where the hardware has it, else the configured precision."""
    dtype, device = setting.config.prompt.dtype, setting.problem.lm.device
    if dtype == "auto":
        return partial(reduced_precision, device)
    return nullcontext if dtype == "float32" else partial(torch.autocast, device.type, dtype=DTYPES[dtype])


def _pooled(problem: dp.Problem, states: States) -> npt.NDArray[np.float32]:
    """Return one hidden state per text, (N, E)."""
    position = -1 if problem.lm.head == "causal" else 0
    return torch.stack([state[position] for state in states]).cpu().numpy()
