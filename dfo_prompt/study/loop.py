"""The study loop: runs an optimizer on an objective until the budget is spent. It is the only such loop.

This module and `evaluator` handle every failure of a query:

- a NaN or infinite loss is journaled as such, and the optimizer is told the worst finite loss so far, or the next larger
  number while all finite losses are equal;
- an objective that raises fails its whole batch, which is journaled and told in the same way; several failed batches in a
  row end the study with an error, and the same command continues it; see `failures`;
- an OutageError stops the study at once: nothing is journaled or told, and the same command continues it;
- a study without any finite loss has no result;
- the outputs of a failed query are told as NaN;
- a batch that would exceed the budget is cut, evaluated and journaled, but not told. Limits cut a batch by the upper bound
  of its consumption; if the actual consumption is lower, more of the batch is evaluated, until no candidate fits;
- patience, a target or a time limit end the search after a whole batch, which is told; see `stopping`.
"""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import suppress

from dfo_prompt.config.prices import Prices
from dfo_prompt.config.stop import StopConfig
from dfo_prompt.contracts.objective import CLEAN, Objective, Validated
from dfo_prompt.contracts.optimizer import Optimizer
from dfo_prompt.errors import DfoPromptError, StudyError, one_line
from dfo_prompt.study.attempt import call_of
from dfo_prompt.study.audit import Audit, discrepancies
from dfo_prompt.study.checked_objective import expecting
from dfo_prompt.study.checked_optimizer import CheckedOptimizer
from dfo_prompt.study.costs import Spent
from dfo_prompt.study.evaluator import Evaluator
from dfo_prompt.study.failures import Failures
from dfo_prompt.study.holdout import Holdout
from dfo_prompt.study.ledger import Ledger
from dfo_prompt.study.observing import Observers
from dfo_prompt.study.outcome_cache import OutcomeCache
from dfo_prompt.study.records import Account, Outcome, Record, joined
from dfo_prompt.study.result import Batch, Observer, StudyInfo, StudyResult
from dfo_prompt.study.search_state import SearchState
from dfo_prompt.study.stopping import Stopping
from dfo_prompt.study.tariff import Tariff
from dfo_prompt.types import Matrix, Vector


class Study:
    """A study of one optimizer on one objective, charged to one ledger.

    Args:
        optimizer: a new optimizer; to continue a study, build it with the same arguments, and the journal is replayed.
        objective: objective to minimize; if it is `Validated`, candidates are chosen on dev and the chosen one is scored on
            test.
        ledger: a new ledger, or one opened on the folder of the study to continue.
        info: names for observers and messages.
        validate_every: queries between evaluations on dev, which are skipped while no new candidate was scored; None means
            only at the end.
        observers: observers to notify of every batch.
        prices: prices of the objective's consumption.
        stop: rules that end the search before its budget.

    Raises:
        InputError: a limit is too small for a query, or in a currency that the objective does not estimate; or the optimizer
            learns from outputs and the objective has none; or `stop` uses dev and the objective has none.
    """

    def __init__(
        self,
        *,
        optimizer: Optimizer,
        objective: Objective,
        ledger: Ledger,
        info: StudyInfo,
        validate_every: int | None = None,
        observers: Sequence[Observer] = (),
        prices: Prices | None = None,
        stop: StopConfig | None = None,
    ) -> None:
        self._optimizer = CheckedOptimizer(optimizer, name=info.optimizer)
        self._objective = objective
        self._evaluate = call_of(optimizer, objective, info, ledger.outputs)
        self._ledger = ledger
        self._info = info
        self._validate_every = validate_every or ledger.budget.queries
        self._observers = Observers(observers)
        self._tariff = Tariff(objective=objective, name=info.objective, prices=prices)
        self._tariff.check(ledger.budget.limits)
        self._evaluator = Evaluator(
            ledger=ledger,
            cache=OutcomeCache(objective=objective),
            tariff=self._tariff,
            audit=Audit(info.objective),
            take_optimizer_seconds=self._optimizer.take_seconds,
            validated=self._report_validation,
            expect=expecting(objective, name=info.objective),
        )
        self._stopping = Stopping(stop, ledger)
        self._stopping.check(objective, info.objective)
        self._search = SearchState(optimizer.x0)
        self._failures = Failures(info.objective)
        self._fresh = 0
        self._exhausted = ""

    def run(self) -> StudyResult:
        """Spend the budget and return the result.

        Raises:
            StudyError: the journal belongs to another study or cannot be written, or the objective keeps failing.
            OutageError: a service that the objective calls gives no usable answer.
            PluginError: the optimizer or the objective broke its contract.
        """
        try:
            result = self._run()
            self._ledger.sync()
        except BaseException as error:
            message = str(error) if isinstance(error, DfoPromptError) else one_line(error)
            self._observers.failed(message)
            with suppress(StudyError):
                self._ledger.sync()
            raise
        self._observers.finished(result)
        return result

    def _run(self) -> StudyResult:
        self._observers.started(self._info)
        objective = self._objective
        holdout, looked = None, 0
        if isinstance(objective, Validated):
            holdout = Holdout(objective, evaluator=self._evaluator, dim=self._info.dim)
        while self._ledger.remaining and not self._ended:
            before = self._ledger.queries
            self._step()
            self._stopping.note(self._search.best_loss)
            self._report_end()
            due = before // self._validate_every < self._ledger.queries // self._validate_every
            if holdout and due and self._evaluator.cache.scored > looked:
                looked = self._evaluator.cache.scored
                self._consider(holdout)
                self._stopping.note(holdout.best_loss, split="dev")
            self._stopping.look_at_the_clock()
        self._report_end()
        return self._finish(holdout)

    @property
    def _ended(self) -> str:
        """Return the reason that ended the search before its budget; "" for none."""
        return f"limits.{self._exhausted}" if self._exhausted else self._stopping.reason

    def _step(self) -> None:
        candidates = self._optimizer.ask()  # (B, d)
        fresh = self._fresh
        outcome = joined([*self._parts(candidates[: self._ledger.remaining])])  # (B', d)
        if outcome is None:
            return
        records = outcome.records
        if len(records) == len(candidates):
            self._optimizer.tell(outcome.candidates, self._search.told(records), outcome.outputs)
        recalled = self._fresh == fresh
        self._observers.evaluated(self._batch(outcome.candidates, records, recalled=recalled))
        if recalled:
            self._optimizer.take_seconds()  # discard: an earlier run was charged for this batch
        else:
            self._failures.note(records)

    def _parts(self, batch: Matrix) -> Iterator[Outcome]:
        """Yield the outcome of a batch (B, d), whole or in the parts that limits allow, until no candidate fits."""
        while len(batch):
            outcome = self._recall(batch)
            if outcome is None:
                outcome = self._evaluator.evaluate(batch, self._evaluate)
                if outcome is None:
                    self._exhausted = self._ledger.binding(self._tariff.most(1))
                    return
                self._fresh += len(outcome.records)
            else:
                self._evaluator.noted(outcome)
            self._search.learn(outcome.candidates, outcome.records)
            yield outcome
            batch = batch[len(outcome.records) :]

    def _recall(self, batch: Matrix) -> Outcome | None:
        before = self._ledger.rounded
        recalled = self._ledger.recall(batch)
        if self._ledger.rounded and not before:  # warn of the first only
            message = f"optimizer {self._info.optimizer!r} rounds differently here than where the study ran before"
            warnings.warn(f"{message}; the journaled candidates are kept", RuntimeWarning, stacklevel=2)
        return recalled

    def _consider(self, holdout: Holdout) -> None:
        holdout.consider(self._search.best, role="best")
        holdout.consider(self._recommended(), role="recommended")

    def _recommended(self) -> Vector:
        return self._ledger.as_journaled(self._optimizer.recommend())

    def _finish(self, holdout: Holdout | None) -> StudyResult:
        self._check_has_answer()
        recommended = self._recommended()
        if self._fresh:
            self._ledger.charge(Spent(optimizer_seconds=self._optimizer.take_seconds()))
        clean = self._evaluator.validate(recommended[None], self._objective.evaluate, split="train", role="recommended")
        recommended = clean.candidates[0]
        chosen, held_out = self._search.best, None
        if holdout:
            self._consider(holdout)
            chosen, held_out = holdout.finish(self._search.best)
        spent = self._ledger.spent(Account.QUERIES)
        return StudyResult(
            best=self._search.best,
            best_loss=self._search.known_loss,
            recommended=recommended,
            recommended_loss=_clean_loss(clean.records[0]),
            chosen=chosen,
            held_out=held_out,
            failures=self._search.failures,
            spent=spent,
            training_seconds=spent.seconds,
            validation=self._ledger.spent(Account.VALIDATION),
            optimizer_state=self._optimizer.describe(),
            rounded=self._ledger.rounded,
            stop_reason=self._ended or "budget",
            warnings=discrepancies(spent, self._ledger.budget),
        )

    def _check_has_answer(self) -> None:
        if self._exhausted and not self._ledger.queries:
            spent = getattr(self._ledger.spent(), self._exhausted)
            share = f"{spent:,} of {self._ledger.budget.limits[self._exhausted]:,} went on batches that were cut off"
            raise StudyError(
                f"limits.{self._exhausted}: {share}, and no query fits in the rest; start again in a new folder"
            )
        if self._search.failures == self._ledger.queries:
            fault = f"every query of objective {self._info.objective!r} failed, at last with {self._search.error!r}"
            raise StudyError(f"{fault}; fix it and start again in a new folder")

    def _batch(self, batch: Matrix, records: Sequence[Record], *, recalled: bool) -> Batch:
        return Batch(
            candidates=batch.copy(),
            records=records,
            recalled=recalled,
            queries=self._ledger.queries,
            remaining=self._ledger.remaining,
            best_loss=self._search.known_loss,
        )

    def _report_end(self) -> None:
        if reason := self._ended or ("" if self._ledger.remaining else "budget"):
            self._observers.ended(reason)

    def _report_validation(self, record: Record) -> None:
        if isinstance(self._objective, Validated) and record.split != "train":
            self._observers.validated(record, self._objective.metric)


def _clean_loss(record: Record) -> float | None:
    """Return the loss without noise where the objective gives it, otherwise the loss."""
    clean = record.metrics.get(CLEAN)
    return record.loss if clean is None else clean
