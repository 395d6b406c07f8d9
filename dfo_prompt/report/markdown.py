"""Renders the report in Markdown."""

import pandas as pd
from tabulate import tabulate

from dfo_prompt.report.content import Report
from dfo_prompt.report.texts import markdown_text


def markdown(report: Report) -> str:
    """Return the report in Markdown, with links to the files of its pictures."""
    name, intro, verdict = map(markdown_text, (report.name, report.intro, report.verdict))
    notes = map(markdown_text, report.notes)
    parts = [f"# {name}", f"**{verdict}**", intro, *notes]
    for table in report.tables:
        parts += [f"## {markdown_text(table.title)}", markdown_text(table.text), markdown_table(table.printed)]
    for picture in report.pictures:
        title = markdown_text(picture.title)
        alternative = title.replace("[", r"\[").replace("]", r"\]")
        parts += [f"## {title}", markdown_text(picture.text), f"![{alternative}]({picture.name}.png)"]
    return "\n\n".join(part for part in parts if part) + "\n"


def markdown_table(table: pd.DataFrame) -> str:
    """Return the table, its first column left-aligned and the others right-aligned; "" without rows."""
    if table.empty:
        return ""
    heads = [markdown_text(str(head)) for head in table.columns]
    rows = [[markdown_text(str(cell)) for cell in row] for row in table.itertuples(index=False)]
    sides = ["left", *["right"] * (len(heads) - 1)]
    lines: str = tabulate(rows, headers=heads, tablefmt="pipe", colalign=sides, disable_numparse=True)
    return lines
