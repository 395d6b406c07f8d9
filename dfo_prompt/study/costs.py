"""The cost file: reservations and charges of evaluations.

A charge names the journal lines that it covers (`first`, from 1, and `done`, their number) and their checksum (`journal`).
It is written before them: if the process is killed in between, the charge is void and the queries run again, so that costs
and queries always agree. Queries without costs, after a power cut or from an earlier version, count as unpriced.

A reservation lists the amounts to charge if it is cut off (`unsettled`), none for an objective whose repetitions are free.
If no outcome follows, these amounts are charged; if a charge is void, its amounts in those currencies are; if the objective
reported its usage on failure (`lost`), that usage is.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Self

from dfo_prompt._util.parsing import STRICT, Finite, parse
from dfo_prompt.contracts.usage import Usage
from dfo_prompt.errors import InputError, one_line
from dfo_prompt.study.journal import Journal, Line, damaged
from dfo_prompt.study.records import FILES, Account

COSTS = "ledger.jsonl"


@dataclass(frozen=True, kw_only=True)
class Spent(Usage):
    """The total charged to an account.

    Attributes:
        repeated: evaluations that ran again after being cut off, or that verified an objective on continuation. No other
            figure includes them, except currencies that a repetition consumes again.
        unpriced: queries whose costs were lost in a power cut; no other figure includes these costs.
        optimizer_seconds: seconds in the optimizer's ask and tell.
        objective_seconds: seconds in evaluations.
    """

    __pydantic_config__ = STRICT

    repeated: int = 0
    unpriced: int = 0
    optimizer_seconds: Finite = 0.0
    objective_seconds: Finite = 0.0

    @property
    def seconds(self) -> float:
        """Return the total seconds of optimizer and objective."""
        return self.optimizer_seconds + self.objective_seconds

    @classmethod
    def of(cls, usage: Usage, *, objective_seconds: float = 0.0) -> Self:
        """Return the costs of evaluations that consumed `usage`."""
        return cls(
            **{field.name: int(getattr(usage, field.name)) for field in fields(Usage)}, objective_seconds=objective_seconds
        )


CHARGED = tuple(field.name for field in fields(Spent) if field.name not in ("queries", "repeated", "unpriced"))
"""The fields that the cost file stores; the others are counted."""


@dataclass(frozen=True, kw_only=True)
class Charge:
    """A charge for `done` evaluations, starting at line `first` of the journal; with `done` 0, for time alone.

    Attributes:
        journal: checksum of those lines; "" if unknown.
        again: currencies that stay charged even if the charge is void.
    """

    first: int
    done: int
    journal: str
    spent: Spent
    again: frozenset[str] = frozenset()

    @property
    def lost(self) -> Spent:
        """Return the amount that stays charged if the charge is void."""
        return self.spent.only(self.again)


class Costs:
    """The cost file `path`; in memory only without a path.

    Attributes:
        reserved: evaluations reserved so far, by account.
    """

    def __init__(self, path: Path | None) -> None:
        self.journal = Journal(path)
        self.reserved = dict.fromkeys(Account, 0)
        self._charges: dict[Account, list[Charge]] = {account: [] for account in Account}
        self._open: dict[Account, dict[str, int]] = {account: {} for account in Account}
        self._lost = {account: Spent() for account in Account}
        for number, line in enumerate(self.journal.take(self.journal.count) or [], start=1):
            try:
                self._read(line)
            except (KeyError, TypeError, ValueError, InputError) as error:
                raise damaged(path, number, f"it is no entry ({one_line(error)})") from error
        for account in Account:
            self._cut_off(account)

    def reserve(self, account: Account, count: int, unsettled: Mapping[str, int]) -> None:
        """Record that `count` evaluations are about to run, and the amounts to charge if they are cut off."""
        line: Line = {"account": account, "reserved": count}
        self.journal.append([{**line, "unsettled": {**unsettled}} if unsettled else line])
        self.reserved[account] += count

    def lose(self, account: Account, spent: Spent) -> None:
        """Record the costs of evaluations without an outcome."""
        self.journal.append([{"account": account, "lost": {name: getattr(spent, name) for name in CHARGED}}])

    def charge(self, account: Account, charge: Charge) -> None:
        """Record the costs of evaluations."""
        head: Line = {"account": account, "first": charge.first, "done": charge.done, "journal": charge.journal}
        self.journal.append([{**head, **{name: getattr(charge.spent, name) for name in CHARGED}}])

    def charged(self, account: Account, journal: Journal) -> Spent:
        """Return the costs that earlier runs recorded for `journal`, including the costs of evaluations without an outcome.

        Its `queries` counts the lines of the journal that have costs.

        Raises:
            StudyError: lines of the journal differ from those that were charged.
        """
        total = self._lost[account]
        for charge in self._charges[account]:
            if charge.done and charge.first + charge.done - 1 > journal.count:
                total += charge.lost
                continue
            if charge.journal and charge.done and charge.journal != journal.checksum(charge.first, charge.done):
                raise damaged(
                    journal.path, charge.first, f"it, or one of the next {charge.done - 1}, is not what was written"
                )
            total += replace(charge.spent, queries=charge.done)
        return total

    def settled(self, account: Account, journal: Journal, *, unpriced: int = 0) -> int:
        """Return the number of lines of `journal` in completely written batches that have costs.

        The first `unpriced` lines need no costs, up to a batch that was not completely written.
        """
        ends = [(charge.first - 1, charge.first + charge.done - 1) for charge in self._charges[account]]
        torn = [before for before, end in ends if end > journal.count]
        return max(min(unpriced, journal.count, *torn), *(end for _, end in ends if end <= journal.count), 0)

    def counted(self, charged: Spent, account: Account, count: int) -> Spent:
        """Return `charged` with the counts of an account with `count` evaluations, `charged.queries` of them with costs."""
        repeated, unpriced = max(0, self.reserved[account] - count), max(0, count - charged.queries)
        return replace(charged, queries=count, repeated=repeated, unpriced=unpriced)

    def _read(self, line: Line) -> None:
        account = Account(str(line["account"]))
        if "reserved" in line:
            self._cut_off(account)
            self.reserved[account] += _whole(line["reserved"])
            self._open[account] = _figures(line.get("unsettled", {}))
            return
        again, self._open[account] = frozenset(self._open[account]), {}
        if "lost" in line:
            self._lost[account] += parse(Spent, _table(line["lost"]), where="")
            return
        charges = self._charges[account]
        # Earlier versions did not record `first`: each charge covers the next lines.
        first = _whole(line.get("first", charges[-1].first + charges[-1].done if charges else 1))
        self._void(account, first)
        spent = parse(Spent, {name: line[name] for name in CHARGED if name in line}, where="")
        journal = str(line.get("journal", ""))
        charges.append(Charge(first=first, done=_whole(line["done"]), journal=journal, spent=spent, again=again))

    def _void(self, account: Account, first: int) -> None:
        """Void the charges from line `first` on, whose evaluations ran again; charges for time alone are kept."""
        charges, kept = self._charges[account], []
        while charges and charges[-1].first >= first:
            if (last := charges.pop()).done:
                self._lost[account] += last.lost
            else:
                kept.append(last)
        charges.extend(reversed(kept))

    def _cut_off(self, account: Account) -> None:
        """Charge the open reservation, if any."""
        if self._open[account]:
            self._lost[account] += Spent(**self._open[account])
            self._open[account] = {}


def read_spent(folder: Path, account: Account = Account.QUERIES) -> Spent:
    """Return the total charged so far to `account` by the study in `folder`, finished or not.

    Raises:
        StudyError: a file is damaged.
    """
    journal, costs = Journal(folder / FILES[account]), Costs(folder / COSTS)
    return costs.counted(costs.charged(account, journal), account, journal.count)


def _table(value: object) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise TypeError(f"{value!r} is no table")
    return value


def _figures(value: object) -> dict[str, int]:
    figures = {name: _whole(figure) for name, figure in _table(value).items()}
    parse(Spent, figures, where="")
    return figures


def _whole(value: object) -> int:
    if not isinstance(value, int) or value < 0:
        raise ValueError(f"{value!r} is no count")
    return value
