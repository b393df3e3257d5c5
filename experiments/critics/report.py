"""The tables of README.md, from the CSVs: ``python -m experiments.critics.report``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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
    names = sorted(
        {named(row) for row in rows}, key=lambda name: (-_overall(rows, name, figure), name)
    )
    body = [
        [f"`{name}`", *(_cell(rows, family, name, figure) for family in families)] for name in names
    ]
    return table(["", *families], body)


def _values(rows: Sequence[Row], family: str, name: str, figure: str) -> list[float]:
    return [
        float(r[figure]) for r in rows if (r["family"], named(r)) == (family, name) and r[figure]
    ]


def named(row: Row) -> str:
    """The critic, and what it sees where that is more than one view."""
    return row["critic"] + (f", {row['cameras']}" if "," in row["cameras"] else "")


def _cell(rows: Sequence[Row], family: str, name: str, figure: str) -> str:
    values = _values(rows, family, name, figure)
    return f"{sum(values) / len(values):.3f}" if values else "–"


def _overall(rows: Sequence[Row], name: str, figure: str) -> float:
    values = [float(row[figure]) for row in rows if named(row) == name and row[figure]]
    return sum(values) / len(values)


KIND = ("reward", "behaviors", "cameras", "init_std", "total_timesteps", "refitted")


def paid(rows: Sequence[Row]) -> str:
    """True success of agents by what paid them; means over different families would compare what
    was not compared."""
    families = list(dict.fromkeys(row["family"] for row in rows))
    kinds = sorted({tuple(row[name] for name in KIND) for row in rows}, key=_order)
    body = [[*_name(kind), *(_seeds(rows, kind, family) for family in families)] for kind in kinds]
    return table(["paid by", "shown", "seen by", "init-std", "steps", *families], body)


def _order(kind: Sequence[str]) -> tuple[float | str, ...]:
    """What was explored and learned most first."""
    return -float(kind[3]), -int(kind[4]), *kind


def _name(kind: Sequence[str]) -> tuple[str, ...]:
    reward, shown, cameras, init_std, total_timesteps, refitted = kind
    said = f"`{reward}`" + (", refit half way" if refitted == "1" else "")
    return said, shown or "–", cameras or "–", init_std, f"{int(total_timesteps):,}"


def _seeds(rows: Sequence[Row], kind: Sequence[str], family: str) -> str:
    chosen = [
        row for row in rows if row["family"] == family and tuple(row[name] for name in KIND) == kind
    ]
    said = [
        f"{100 * float(row['true_success']):.0f} ({row['seed']})"
        for row in sorted(chosen, key=lambda r: r["seed"])
    ]
    return ", ".join(said) or "–"


def shares(rows: Sequence[Row], shown: str = "misses", cameras: str = "front,side") -> str:
    """True success of agents that critics paid, over that of agents of the same seeds that the
    truth paid."""
    settings = (agents.INIT_STD, 0, agents.TOTAL_TIMESTEPS)
    alike = [
        r
        for r in rows
        if (float(r["init_std"]), int(r["refitted"]), int(r["total_timesteps"])) == settings
    ]
    truth = {
        (r["family"], r["seed"]): float(r["true_success"])
        for r in alike
        if r["reward"] == agents.TRUTH
    }
    seen = [
        r
        for r in alike
        if (r["behaviors"], r["cameras"]) == (shown, cameras) and (r["family"], r["seed"]) in truth
    ]
    families = list(dict.fromkeys(row["family"] for row in seen))
    body = [
        [f"`{name}`", *(_share(seen, truth, name, family) for family in families)]
        for name in agents.OBJECTIVES
    ]
    return table(["paid by", *families], body)


def _share(
    rows: Sequence[Row], truth: Mapping[tuple[str, str], float], name: str, family: str
) -> str:
    chosen = [row for row in rows if (row["reward"], row["family"]) == (name, family)]
    if not chosen:
        return "–"
    share = sum(float(row["true_success"]) for row in chosen) / sum(
        truth[family, row["seed"]] for row in chosen
    )
    return f"{share:.2f} ({', '.join(sorted(row['seed'] for row in chosen))})"


def main() -> None:
    """Print all tables."""
    rows = offline.ROWS.read()
    for figure, words in offline.FIGURES.items():
        print(f"\n### {words}\n\n{grid(rows, figure)}")
    if Path(agents.ROWS.path).exists():
        paid_rows = agents.ROWS.read()
        print(f"\n### Share of oracle-dense, seeds in brackets\n\n{shares(paid_rows)}")
        print(f"\n### True success of agents [%], seed in brackets\n\n{paid(paid_rows)}")


if __name__ == "__main__":
    main()
