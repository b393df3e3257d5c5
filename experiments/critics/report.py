"""The tables of README.md, from the CSVs: ``python -m experiments.critics.report``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from experiments.critics import agents, offline

Row = dict[str, str]


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def grid(rows: Sequence[Row], figure: str) -> str:
    """Critics down, families across; the mean over seeds."""
    families = list(dict.fromkeys(row["family"] for row in rows))
    names = sorted({row["critic"] for row in rows}, key=lambda name: -_overall(rows, name, figure))
    body = [[f"`{name}`", *(_cell(rows, family, name, figure) for family in families)] for name in names]
    return table(["", *families], body)


def _values(rows: Sequence[Row], family: str, name: str, figure: str) -> list[float]:
    return [float(r[figure]) for r in rows if (r["family"], r["critic"]) == (family, name) and r[figure]]


def _cell(rows: Sequence[Row], family: str, name: str, figure: str) -> str:
    values = _values(rows, family, name, figure)
    return f"{sum(values) / len(values):.3f}" if values else "–"


def _overall(rows: Sequence[Row], name: str, figure: str) -> float:
    values = [float(row[figure]) for row in rows if row["critic"] == name and row[figure]]
    return sum(values) / len(values)


def paid(rows: Sequence[Row]) -> str:
    """True success of agents by what paid them; means over different families would compare what was not compared."""
    families = list(dict.fromkeys(row["family"] for row in rows))
    kinds = sorted({(row["reward"], row["refreshed"]) for row in rows})
    body = [[_name(kind), *(_seeds(rows, kind, family) for family in families)] for kind in kinds]
    return table(["paid by", *families], body)


def _name(kind: tuple[str, str]) -> str:
    return f"`{kind[0]}`" + (", refreshed half way" if kind[1] == "1" else "")


def _seeds(rows: Sequence[Row], kind: tuple[str, str], family: str) -> str:
    chosen = [row for row in rows if (row["reward"], row["refreshed"], row["family"]) == (*kind, family)]
    return ", ".join(f"{100 * float(row['true_success']):.0f}" for row in chosen) or "–"


def main() -> None:
    """Print all tables."""
    rows = offline.ROWS.read()
    for figure, words in offline.FIGURES.items():
        print(f"\n### {words}\n\n{grid(rows, figure)}")
    if Path(agents.ROWS.path).exists():
        print(f"\n### True success of agents [%], a number a seed\n\n{paid(agents.ROWS.read())}")


if __name__ == "__main__":
    main()
