"""Reads tables with delimiters: quoted cells (RFC 4180), and TSV files such as those of GLUE, whose quotes are text."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from dfo_prompt.errors import DataError
from dfo_prompt.tasks.rows import Row

TABLES = {".csv": ",", ".tsv": "\t"}
"""Usual delimiter of each suffix; a .csv file may have another of `DELIMITERS`."""
MAX_PROBED = 1000
"""The largest number of rows to detect the delimiter from."""
DELIMITERS = (",", ";", "\t", "|")
LINE_END = re.compile("\r\n|\n|\r")
LINE_FEED = re.compile("\n")
NEEDS_QUOTES = re.compile(r'[\t\r\n",]|^\s|\s$|^$')
"""Cells that some CSV writers quote; Excel quotes cells with a comma in TSV files, too."""
# The csv module limits the length of cells, and its limit can be changed only for the whole process.
CELL = {
    delimiter: re.compile(rf'(?:"([^"]*+(?:""[^"]*+)*+)"|((?!")[^{delimiter}\r\n]*+))({re.escape(delimiter)}|\r\n|\n|\r|\Z)')
    for delimiter in DELIMITERS
}


@dataclass(frozen=True, kw_only=True)
class Record:
    """The cells of a row.

    Attributes:
        line: number of the row's first line in the file.
        cells: content of each cell.
        quoted: whether each cell was quoted; () if quotes are text.
    """

    line: int
    cells: Sequence[str]
    quoted: Sequence[bool] = ()


def read_table(text: str, path: Path, *, suffix: str = "", header: Sequence[str] = (), delimiter: str = "") -> Iterator[Row]:
    """Read the text of a CSV or TSV file.

    A CSV file that commas do not split into columns, but another of `DELIMITERS` does, is split by the latter: spreadsheets
    of many countries write such files.

    In a TSV file whose lines all have the same number of tabs, each line is a row and quotes are text, because quotes across
    lines would merge rows. Quotes enclose cells only if a CSV writer wrote them: around all cells of a column or those that
    need quotes, and not inside a line's text.

    Args:
        text: content of the file.
        path: path of the file, for errors.
        suffix: suffix that determines the delimiter; by default that of the path.
        header: column names of a file without a header line.
        delimiter: delimiter of the cells; by default determined by suffix and content.

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
            names = _column_names(record.cells, place)
            continue
        if len(record.cells) != len(names):
            count = f"{place} has {len(record.cells)} cells, the header has {len(names)}"
            raise DataError(f"{count}; quote cells that hold the delimiter")
        yield Row(
            place=place,
            cells=dict(zip(names, record.cells, strict=True)),
            swallowed=tuple(dict(zip(names, cells, strict=True)) for cells in _swallowed(record, len(names), delimiter)),
        )


def _delimiter(text: str, path: Path, usual: str) -> str:
    """Return the usual delimiter; if only another one gives all rows the same number of cells, return that one."""
    if usual == "\t" or _fits(text, path, usual):
        return usual
    return next((other for other in DELIMITERS if other != usual and _fits(text, path, other)), usual)


def _fits(text: str, path: Path, delimiter: str) -> bool:
    """Tell whether a delimiter splits the first rows into the same number of cells, more than one."""
    try:
        counts = {len(record.cells) for record in islice(_records(text, path, delimiter), MAX_PROBED)}
    except DataError:
        return False
    return len(counts) == 1 and 1 not in counts


def _column_names(cells: Sequence[str], place: str) -> list[str]:
    names = [cell.strip() for cell in cells]
    for name in names:
        if LINE_END.search(name):
            raise DataError(f"{place}: a column name continues on the next line; close its quote")
        if name and names.count(name) > 1:  # spreadsheets write several columns without a name
            raise DataError(f"{place}: {names.count(name)} columns are called {name!r}; rename or remove all but one")
    return names


def _swallowed(record: Record, columns: int, delimiter: str) -> Iterator[list[str]]:
    """Yield the lines of quoted cells that split into as many cells as the table has columns."""
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
    """Split at all line ends, or at line feeds only if that alone gives all lines the same number of tabs.

    Returns:
        The lines, and the pattern of the line ends.
    """
    lines = LINE_END.split(text)
    if len({line.count("\t") for line in lines if line}) > 1:
        by_line_feed = [line.removesuffix("\r") for line in text.split("\n")]
        if len({line.count("\t") for line in by_line_feed if line}) == 1:
            return by_line_feed, LINE_FEED
    return lines, LINE_END


def _quotes_enclose(text: str, path: Path, line_end: re.Pattern[str], *, even: bool) -> bool:
    """Tell whether the quotes of a TSV file enclose cells, and are not text.

    Args:
        text: content of the file.
        path: path of the file, for errors.
        line_end: pattern of its line ends.
        even: whether all lines have the same number of tabs, so that the quotes may be text.
    """
    bare, needless, spans, sound = set[int](), set[int](), False, True
    try:
        for number, record in enumerate(_records(text, path, "\t")):
            for column, (cell, quoted) in enumerate(zip(record.cells, record.quoted, strict=True)):
                sound = sound and (quoted or '"' not in cell)
                spans = spans or bool(quoted and line_end.search(cell))
                if number and quoted and not NEEDS_QUOTES.search(cell):  # a header may be quoted although its column is not
                    needless.add(column)
                elif number and not quoted and cell:
                    bare.add(column)
            if even and (spans or not sound or bare & needless):
                return False
    except DataError:
        return False
    return True


def _records(text: str, path: Path, delimiter: str) -> Iterator[Record]:
    """Split a text into rows and cells by RFC 4180; a quote that does not begin a cell is text.

    Raises:
        DataError: a quote opens a cell and is not closed at its end.
    """
    pattern = CELL[delimiter]
    position, line, ended = 0, 1, False
    while not ended:
        cells: list[str] = []
        quoted: list[bool] = []
        first, end = line, delimiter
        while end == delimiter:
            if not (match := pattern.match(text, position)):
                reason = f"the quote that opens cell {len(cells) + 1} is not closed at the cell's end"
                raise DataError(f"{path}, line {line} is malformed: {reason}; double the quotes inside of quoted cells")
            enclosed, plain, end = match.groups()
            position = match.end()
            cells.append(plain if enclosed is None else enclosed.replace('""', '"'))
            quoted.append(enclosed is not None)
            line += len(LINE_END.findall(enclosed)) if enclosed else 0
        line += 1
        yield Record(line=first, cells=cells, quoted=quoted)
        ended = not end
