"""Rows of tables with delimiters: cells in quotes (RFC 4180), and TSV files whose quotes are text, as those of GLUE."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from dfo_prompt.errors import DataError
from dfo_prompt.tasks.rows import Row

TABLES = {".csv": ",", ".tsv": "\t"}
"""Delimiter of each suffix; a file ending in .csv may have another of `DELIMITERS`."""
PROBED = 1000
"""The number of rows to detect the delimiter from."""
DELIMITERS = (",", ";", "\t", "|")
LINE_END = re.compile("\r\n|\n|\r")
LINE_FEED = re.compile("\n")
NEEDS_QUOTES = re.compile(r'[\t\r\n",]|^\s|\s$|^$')
"""Cells that some writer of CSV puts in quotes; Excel does so for a comma in TSV files, too."""
# The csv module would do, but for a limit on the length of cells that only the whole process can lift.
FIELDS = {
    delimiter: re.compile(rf'(?:"([^"]*+(?:""[^"]*+)*+)"|((?!")[^{delimiter}\r\n]*+))({re.escape(delimiter)}|\r\n|\n|\r|\Z)')
    for delimiter in DELIMITERS
}


@dataclass(frozen=True, kw_only=True)
class Record:
    """The cells of a row, which begins in `line` of the file, and which of them were in quotes."""

    line: int
    cells: Sequence[str]
    quoted: Sequence[bool] = ()


def read_table(text: str, path: Path, *, suffix: str = "", header: Sequence[str] = (), delimiter: str = "") -> Iterator[Row]:
    """Read the text of a CSV or TSV file.

    A CSV file that has no columns by commas, and has by another of `DELIMITERS`, as spreadsheets of many countries write it,
    is read by that.

    A TSV file whose lines all have as many tabs is read by lines, with its quotes as text, since quotes across lines would
    merge rows; unless the quotes are those of a writer of CSV: in no line's middle, around all cells of a column or those
    that need them.

    Args:
        text: of the file.
        path: named in errors.
        suffix: that tells the delimiter; by default that of the path.
        header: names of the columns, of a file without a header line.
        delimiter: of the file, whatever its suffix.

    Raises:
        DataError: a line is empty or has more or fewer cells than the header, a quote is not closed, or two columns have
            the same name.
    """
    text = text.rstrip("\r\n")
    delimiter = delimiter or _delimiter(text, path, TABLES[suffix or path.suffix.lower()])
    names = list(header)
    for record in _tab_separated(text, path) if delimiter == "\t" else _records(text, path, delimiter):
        place = f"{path}, line {record.line}"
        if list(record.cells) == [""]:
            raise DataError(f"{place} is empty; remove it")
        if not names:
            names = _names(record.cells, place)
            continue
        if len(record.cells) != len(names):
            count = f"{place} has {len(record.cells)} cells, the header has {len(names)}"
            raise DataError(f"{count}; quote cells that hold the delimiter")
        yield Row(
            place=place,
            cells=dict(zip(names, record.cells, strict=True)),
            inside=tuple(dict(zip(names, cells, strict=True)) for cells in _rows_inside(record, len(names), delimiter)),
        )


def _delimiter(text: str, path: Path, usual: str) -> str:
    """Return the usual delimiter, or, where all lines have as many cells by another and not by this, the other."""
    if usual == "\t" or _is_even(text, path, usual):
        return usual
    return next((other for other in DELIMITERS if other != usual and _is_even(text, path, other)), usual)


def _is_even(text: str, path: Path, delimiter: str) -> bool:
    try:
        counts = {len(record.cells) for record in islice(_records(text, path, delimiter), PROBED)}
    except DataError:
        return False
    return len(counts) == 1 and 1 not in counts


def _names(cells: Sequence[str], place: str) -> list[str]:
    names = [cell.strip() for cell in cells]
    for name in names:
        if LINE_END.search(name):
            raise DataError(f"{place}: the name of a column goes on in the next line; close its quote")
        if name and names.count(name) > 1:  # spreadsheets leave several without a name
            raise DataError(f"{place}: {names.count(name)} columns are called {name!r}; rename or remove all but one")
    return names


def _rows_inside(record: Record, columns: int, delimiter: str) -> Iterator[list[str]]:
    for cell, quoted in zip(record.cells, record.quoted, strict=False):
        if quoted and LINE_END.search(cell):
            yield from (cells for line in LINE_END.split(cell) if len(cells := line.split(delimiter)) == columns)


def _tab_separated(text: str, path: Path) -> Iterator[Record]:
    lines, line_end = _lines(text)
    even = len({line.count("\t") for line in lines if line}) == 1
    if '"' in text and _quotes_enclose(text, path, line_end, even=even):
        return _records(text, path, "\t")
    return (Record(line=number, cells=line.split("\t")) for number, line in enumerate(lines, start=1))


def _lines(text: str) -> tuple[list[str], re.Pattern[str]]:
    """Split at line ends of any kind, or, where lines would then differ in tabs, at line feeds alone; tell at which."""
    lines = LINE_END.split(text)
    if len({line.count("\t") for line in lines if line}) > 1:
        by_feed = [line.removesuffix("\r") for line in text.split("\n")]
        if len({line.count("\t") for line in by_feed if line}) == 1:
            return by_feed, LINE_FEED
    return lines, LINE_END


def _quotes_enclose(text: str, path: Path, line_end: re.Pattern[str], *, even: bool) -> bool:
    """Tell whether the quotes of a TSV file enclose cells; `even`: all of its lines have as many tabs."""
    bare, needless, spans, sound = set[int](), set[int](), False, True
    try:
        for number, record in enumerate(_records(text, path, "\t")):
            for column, (cell, quoted) in enumerate(zip(record.cells, record.quoted, strict=True)):
                sound = sound and (quoted or '"' not in cell)
                spans = spans or bool(quoted and line_end.search(cell))
                if number and quoted and not NEEDS_QUOTES.search(cell):  # a header may be in quotes where its column is not
                    needless.add(column)
                elif number and not quoted and cell:
                    bare.add(column)
            if even and (spans or not sound or bare & needless):
                return False
    except DataError:
        return False
    return True


def _records(text: str, path: Path, delimiter: str) -> Iterator[Record]:
    """Split the text as RFC 4180 has it; a quote that does not begin a cell is text.

    Raises:
        DataError: a quote opens a cell and is not closed at its end.
    """
    field = FIELDS[delimiter]
    at, line, ended = 0, 1, False
    while not ended:
        cells: list[str] = []
        quoted: list[bool] = []
        first, end = line, delimiter
        while end == delimiter:
            if not (match := field.match(text, at)):
                reason = f"the quote that opens cell {len(cells) + 1} is not closed at the cell's end"
                raise DataError(f"{path}, line {line} is malformed: {reason}; double the quotes inside of quoted cells")
            enclosed, plain, end = match.groups()
            at = match.end()
            cells.append(plain if enclosed is None else enclosed.replace('""', '"'))
            quoted.append(enclosed is not None)
            line += len(LINE_END.findall(enclosed)) if enclosed else 0
        line += 1
        yield Record(line=first, cells=cells, quoted=quoted)
        ended = not end
