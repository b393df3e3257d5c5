"""Which part may know which other: read from the source, so that a lazy import counts too."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CORE = {
    "roborew",
    "errors",
    "types",
    "registry",
    "seeding",
    "stopwatch",
    "config",
    "durable",
    "checkpoints",
    "run",
    "options",
}
PLAIN = {"shaping", "rewards", "judges", "critics", "data"}
HEAVY = {"torch", "transformers", "open_clip", "stable_baselines3"}

MAY_IMPORT: dict[str, set[str]] = {
    **dict.fromkeys(CORE, CORE),
    **{part: CORE | {part} for part in PLAIN},
    "critics": CORE | {"critics", "rewards", "data"},
    "rewards": CORE | {"rewards", "judges", "data"},
    "wrappers": CORE | {"wrappers", "rewards", "shaping"},
    "agents": CORE | {"agents"},
    "evaluation": CORE | {"evaluation", "data"},
    "training": CORE | {"training", "agents", "wrappers", "shaping", "data", "critics"},
}
"""Part of roborew -> the parts of roborew that it may import. A part that is not named is on top, beside the cli."""
ON_TOP = {"cli", "__main__"}


def imported(file: Path) -> Iterator[str]:
    """Dotted names of all that a file imports, at any depth of it; a relative import is named in full."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno}: write the import in full"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def part_of(file: Path) -> str:
    """The part of roborew that a file belongs to: ``roborew/shaping/state.py`` is of ``shaping``."""
    inside = file.relative_to(ROOT / "roborew")
    return "roborew" if inside.name == "__init__.py" and len(inside.parts) == 1 else inside.with_suffix("").parts[0]


def parts_imported(file: Path) -> set[str]:
    """The parts of roborew that a file imports; ``from roborew import __version__`` is the package itself."""
    names = [name.split(".") for name in imported(file)]
    known = {part_of(path) for path in (ROOT / "roborew").rglob("*.py")}
    return {name[1] if len(name) > 1 and name[1] in known else "roborew" for name in names if name[0] == "roborew"}


ROBOREW = sorted((ROOT / "roborew").rglob("*.py"))
ENVS = sorted((ROOT / "envs" / "roborew_envs").rglob("*.py"))


def name(file: Path) -> str:
    return str(file.relative_to(ROOT))


@pytest.mark.parametrize("file", ROBOREW, ids=name)
def test_a_part_imports_only_the_parts_below_it(file: Path) -> None:
    allowed = MAY_IMPORT.get(part_of(file))
    forbidden = ON_TOP - {"cli"} if part_of(file) == "__main__" else ON_TOP - {part_of(file)}
    assert not parts_imported(file) & forbidden
    if allowed is not None:
        assert parts_imported(file) <= allowed


@pytest.mark.parametrize("file", ENVS, ids=name)
def test_the_environments_know_neither_rewards_nor_networks(file: Path) -> None:
    assert not {entry.split(".")[0] for entry in imported(file)} & ({"roborew"} | HEAVY)


@pytest.mark.parametrize("file", [file for file in ROBOREW if part_of(file) in CORE], ids=name)
def test_the_core_needs_numpy_at_most(file: Path) -> None:
    roots = {entry.split(".")[0] for entry in imported(file)}
    assert roots <= sys.stdlib_module_names | {"roborew", "numpy", "safetensors"}


def test_a_lazy_import_is_seen_too(tmp_path: Path) -> None:
    file = tmp_path / "lazy.py"
    file.write_text("def late():\n    from roborew.cli import main\n    import torch.nn\n")
    assert list(imported(file)) == ["roborew.cli.main", "torch.nn"]


@pytest.mark.parametrize("file", sorted((ROOT / "experiments").rglob("*.py")), ids=name)
def test_an_experiment_uses_what_is_public(file: Path) -> None:
    ours = [entry for entry in imported(file) if entry.split(".")[0] in ("roborew", "roborew_envs")]
    assert not [entry for entry in ours if re.search(r"\._(?!_)", entry)]


def loaded_by(statement: str) -> set[str]:
    """Top-level modules in a new process after ``statement``."""
    script = f"{statement}; import sys; print(*sorted(m for m in sys.modules if '.' not in m))"
    command = [sys.executable, "-c", script]
    return set(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split())


def test_importing_the_core_loads_no_network_and_no_simulator() -> None:
    loaded = loaded_by("import roborew, roborew.run, roborew.registry, roborew.seeding, roborew.shaping")
    assert "numpy" in loaded
    assert not loaded & (HEAVY | {"mujoco", "gymnasium", "matplotlib"})


def test_importing_roborew_itself_loads_nothing_but_the_standard_library() -> None:
    ours = loaded_by("import roborew") - loaded_by("pass")
    assert not ours - {"roborew"} - sys.stdlib_module_names


def test_the_parts_that_score_wrap_and_judge_load_torch_only_when_a_model_is_used() -> None:
    assert not loaded_by("import roborew.rewards, roborew.wrappers, roborew.evaluation, roborew.data") & HEAVY
