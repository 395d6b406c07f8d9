"""The file of costs: what was reserved, and what it took.

A line of costs names the lines of the journal that it is for (`first`, from 1, and `done`, their number) and their checksum
(`journal`). It is written ahead of them: where a kill came in between, the line is void, and the queries run again. So costs
and queries agree whatever happens to the process. Queries whose costs are missing, after a power cut or from an earlier
version, stay, and are counted as unpriced.

A reservation says what is lost if it is cut off (`unsettled`): nothing of an objective whose repetitions cost nothing. Else,
where no outcome follows, that much is charged; where a line of costs is void, those currencies of it are; where the
objective itself said at its failure what it took (`lost`), that is.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Self

from dfo_prompt._util.parsing import STRICT, parse
from dfo_prompt.contracts.usage import Usage
from dfo_prompt.errors import InputError, one_line
from dfo_prompt.study.journal import Journal, Line, damaged
from dfo_prompt.study.records import FILES, Account, Finite

COSTS = "ledger.jsonl"


@dataclass(frozen=True, kw_only=True)
class Spent(Usage):
    """What an account has been charged.

    Attributes:
        repeated: evaluations that were cut off and ran again, or were asked once more to see that an objective is still the
            same. They are in no other figure, nor is what they took, but for currencies that a repetition costs again.
        unpriced: queries whose costs were lost in a power cut; those are in no other figure.
        optimizer_seconds: inside ask and tell.
        objective_seconds: of evaluations.
    """

    __pydantic_config__ = STRICT

    repeated: int = 0
    unpriced: int = 0
    optimizer_seconds: Finite = 0.0
    objective_seconds: Finite = 0.0

    @property
    def seconds(self) -> float:
        """Return the seconds of optimizer and objective together."""
        return self.optimizer_seconds + self.objective_seconds

    @classmethod
    def of(cls, usage: Usage, *, objective_seconds: float = 0.0) -> Self:
        """Return what evaluations took that consumed `usage`."""
        return cls(
            **{field.name: int(getattr(usage, field.name)) for field in fields(Usage)}, objective_seconds=objective_seconds
        )


CHARGED = tuple(field.name for field in fields(Spent) if field.name not in ("queries", "repeated", "unpriced"))
"""What a line of costs holds; the rest is counted."""


@dataclass(frozen=True, kw_only=True)
class Charge:
    """A line of costs: of `done` evaluations from line `first` of the journal on, whose checksum is `journal`, if known.

    Attributes:
        again: currencies that are spent even if the line is void.
    """

    first: int
    done: int
    journal: str
    spent: Spent
    again: frozenset[str] = frozenset()

    @property
    def lost(self) -> Spent:
        """Return what stays spent where the line is void."""
        return self.spent.only(self.again)


class Costs:
    """The lines of `path`; in memory only, without one.

    Attributes:
        reserved: evaluations set aside so far, by account.
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
        """Note that so many evaluations are about to run, and what is lost, by currency, if they are cut off."""
        line: Line = {"account": account, "reserved": count}
        self.journal.append([{**line, "unsettled": {**unsettled}} if unsettled else line])
        self.reserved[account] += count

    def lose(self, account: Account, spent: Spent) -> None:
        """Note what evaluations took that have no outcome."""
        self.journal.append([{"account": account, "lost": {name: getattr(spent, name) for name in CHARGED}}])

    def charge(self, account: Account, charge: Charge) -> None:
        """Note what evaluations took."""
        head: Line = {"account": account, "first": charge.first, "done": charge.done, "journal": charge.journal}
        self.journal.append([{**head, **{name: getattr(charge.spent, name) for name in CHARGED}}])

    def priced(self, account: Account, journal: Journal) -> Spent:
        """Return the costs of the evaluations in `journal`, as earlier runs left both, and what is lost.

        `queries` are those in the journal that have costs.

        Raises:
            StudyError: lines of the journal are not those that were charged.
        """
        total = self._lost[account]
        for charge in self._charges[account]:
            if charge.first + charge.done - 1 > journal.count:
                total += charge.lost
                continue
            if charge.journal and charge.done and charge.journal != journal.checksum(charge.first, charge.done):
                raise damaged(
                    journal.path, charge.first, f"it, or one of the next {charge.done - 1}, is not what was written"
                )
            total += replace(charge.spent, queries=charge.done)
        return total

    def settled(self, account: Account, journal: Journal) -> int:
        """Return how many lines of `journal` were written whole, batch by batch, with their costs."""
        ends = (charge.first + charge.done - 1 for charge in self._charges[account])
        return max((end for end in ends if end <= journal.count), default=0)

    def counted(self, priced: Spent, account: Account, count: int) -> Spent:
        """Return the costs of `count` evaluations on `account`, of which `priced.queries` have some."""
        repeated, unpriced = max(0, self.reserved[account] - count), max(0, count - priced.queries)
        return replace(priced, queries=count, repeated=repeated, unpriced=unpriced)

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
        # Earlier versions did not say which lines they charged: the next ones.
        first = _whole(line.get("first", charges[-1].first + charges[-1].done if charges else 1))
        self._void(account, first)
        spent = parse(Spent, {name: line[name] for name in CHARGED if name in line}, where="")
        journal = str(line.get("journal", ""))
        charges.append(Charge(first=first, done=_whole(line["done"]), journal=journal, spent=spent, again=again))

    def _void(self, account: Account, first: int) -> None:
        """Take back charges from line `first` on, whose evaluations were cut off and ran again; those of time alone stay."""
        charges, stay = self._charges[account], []
        while charges and charges[-1].first >= first:
            if (last := charges.pop()).done:
                self._lost[account] += last.lost
            else:
                stay.append(last)
        charges.extend(reversed(stay))

    def _cut_off(self, account: Account) -> None:
        """Charge the reservation that is open, if one is."""
        if self._open[account]:
            self._lost[account] += Spent(**self._open[account])
            self._open[account] = {}


def read_spent(folder: Path, account: Account = Account.QUERIES) -> Spent:
    """Return what the study in `folder`, finished or not, has been charged so far on `account`.

    Raises:
        StudyError: a file is damaged.
    """
    journal, costs = Journal(folder / FILES[account]), Costs(folder / COSTS)
    return costs.counted(costs.priced(account, journal), account, journal.count)


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
