"""Tables in Markdown that read well as plain text too."""

import statistics


def median(values):
    values = list(values)
    return statistics.median(values) if values else float("nan")


def number(value):
    """Three significant digits, without an exponent."""
    if value != value:
        return "–"
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value >= 0.1 else f"{value:.3f}"


def table(head, rows):
    """Columns of text are set to the left, columns of numbers to the right."""
    is_text = [all(isinstance(row[column], str) for row in rows) for column in range(len(head))]
    rows = [[cell if isinstance(cell, str) else number(cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]

    def line(cells):
        shown = [cell.ljust(width) if text else cell.rjust(width)
                 for cell, width, text in zip(cells, widths, is_text)]
        return "| " + " | ".join(shown) + " |"

    rule = "".join("|" + "-" * (width + 1) + ("-" if text else ":") for width, text in zip(widths, is_text)) + "|"
    return "\n".join([line(head), rule, *(line(row) for row in rows)])
