"""Which part may know which other: read from the source, so that a lazy import counts too."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = {"torch", "transformers", "open_clip", "stable_baselines3"}

CORE = {
    "roborew",
    "errors",
    "bounds",
    "types",
    "config",
    "registry",
    "seeding",
    "short_repr",
    "stopwatch",
}
FILES = CORE | {"storage"}
MAY_IMPORT: dict[str, set[str]] = {
    **dict.fromkeys(CORE, CORE),
    "storage": FILES,
    "data": FILES,
    "shaping": FILES,
    "weights": FILES,
    "judges": FILES | {"weights"},
    "learning": FILES,
    "encoders": FILES | {"learning", "weights"},
    "rewards": FILES | {"weights", "data", "judges", "learning", "encoders"},
    "critics": FILES | {"weights", "learning", "encoders", "rewards"},
    "wrappers": FILES | {"shaping"},
    "agents": FILES | {"learning"},
    "evaluation": FILES | {"data"},
    "checks": FILES | {"judges", "learning", "encoders", "critics", "agents"},
    "workflows": FILES
    | {
        "data",
        "shaping",
        "judges",
        "learning",
        "encoders",
        "rewards",
        "critics",
        "wrappers",
        "agents",
        "evaluation",
        "checks",
    },
    "serving": FILES | {"weights", "judges", "rewards", "workflows"},
    "api": FILES | {"data", "critics", "workflows"},
    "cli": FILES | {"data", "critics", "rewards", "workflows", "serving"},
    "__main__": {"cli"},
}
"""Part of roborew -> the parts beside itself that it may import; there are no others."""

ENVS_MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "rendering": {"errors"},
    "core": {"errors", "rendering"},
    "tasks": {"errors", "rendering", "core"},
    "experts": {"errors", "rendering", "core", "tasks"},
    "suites": {"errors", "rendering", "core", "tasks", "experts"},
    "roborew_envs": {"errors", "rendering", "core"},
}
"""The same for roborew_envs; its front page loads a task by name, when one is made."""


def imported(file: Path) -> Iterator[str]:
    """Dotted names of all that a file imports, at any depth of it; a relative import is named in
    full."""
    tree = ast.parse(file.read_text())
    if file == ROOT / "roborew" / "__init__.py":
        # The front page names everything for type checkers, and loads a name when it is used.
        tree.body = [node for node in tree.body if not isinstance(node, ast.If)]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno}: write the import in full"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


ROBOREW = sorted((ROOT / "roborew").rglob("*.py"))
ENVS = sorted((ROOT / "envs" / "roborew_envs").rglob("*.py"))


def part_of(file: Path, package: Path) -> str:
    """The part of a package that a file belongs to: ``roborew/shaping/state.py`` is of
    ``shaping``."""
    inside = file.relative_to(package)
    return package.name if inside == Path("__init__.py") else inside.with_suffix("").parts[0]


def parts_imported(file: Path, package: Path) -> set[str]:
    """The parts of its package that a file imports; ``from roborew import __version__`` is the
    package itself."""
    known = {part_of(path, package) for path in package.rglob("*.py")}
    names = [name.split(".") for name in imported(file)]
    return {
        name[1] if len(name) > 1 and name[1] in known else name[0]
        for name in names
        if name[0] == package.name
    }


def name(file: Path) -> str:
    return str(file.relative_to(ROOT))


@pytest.mark.parametrize(
    ("package", "table"),
    [(ROOT / "roborew", MAY_IMPORT), (ROOT / "envs" / "roborew_envs", ENVS_MAY_IMPORT)],
    ids=["roborew", "roborew_envs"],
)
def test_every_part_is_named_and_there_is_no_circle(
    package: Path, table: dict[str, set[str]]
) -> None:
    files = sorted(package.rglob("*.py"))
    assert {part_of(file, package) for file in files} == set(table)
    arrows: dict[str, set[str]] = {part: set() for part in table}
    for file in files:
        arrows[part_of(file, package)] |= parts_imported(file, package) - {part_of(file, package)}
    assert list(
        TopologicalSorter(arrows).static_order()
    )  # raises CycleError, which names the circle


@pytest.mark.parametrize("file", ROBOREW, ids=name)
def test_a_part_imports_only_the_parts_below_it(file: Path) -> None:
    part = part_of(file, ROOT / "roborew")
    assert parts_imported(file, ROOT / "roborew") <= MAY_IMPORT[part] | {part}


@pytest.mark.parametrize("file", ENVS, ids=name)
def test_a_part_of_the_environments_imports_only_the_parts_below_it(file: Path) -> None:
    package = ROOT / "envs" / "roborew_envs"
    part = part_of(file, package)
    assert parts_imported(file, package) <= ENVS_MAY_IMPORT[part] | {part}


@pytest.mark.parametrize("file", ENVS, ids=name)
def test_the_environments_know_neither_rewards_nor_networks(file: Path) -> None:
    assert not {entry.split(".")[0] for entry in imported(file)} & ({"roborew"} | HEAVY)


@pytest.mark.parametrize(
    "file", [file for file in ROBOREW if part_of(file, ROOT / "roborew") in FILES], ids=name
)
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
    return set(
        subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    )


def test_importing_the_core_loads_no_network_and_no_simulator() -> None:
    loaded = loaded_by(
        "import roborew, roborew.storage.run, roborew.registry, roborew.seeding, roborew.shaping"
    )
    assert "numpy" in loaded
    assert not loaded & (HEAVY | {"mujoco", "gymnasium", "matplotlib"})


def test_importing_roborew_itself_loads_nothing_but_the_standard_library() -> None:
    ours = loaded_by("import roborew") - loaded_by("pass")
    assert not ours - {"roborew"} - sys.stdlib_module_names


def test_the_parts_that_score_wrap_and_judge_load_torch_only_when_a_model_is_used() -> None:
    assert (
        not loaded_by("import roborew.rewards, roborew.wrappers, roborew.evaluation, roborew.data")
        & HEAVY
    )


def loaded_first(file: Path, package: Path) -> set[str]:
    """Modules of its package that a file's import runs before its own lines: what it imports outside of functions,
    with the packages that hold that and not the file itself."""
    home = module_name(file, package)
    names = {module_name(path, package) for path in package.rglob("*.py")}
    found: set[str] = set()
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)}
    parents = {
        ".".join(name.split(".")[:depth])
        for name in found
        for depth in range(1, name.count(".") + 1)
    }
    holders = {".".join(home.split(".")[:depth]) for depth in range(1, home.count(".") + 2)}
    return ((found | parents) & names) - holders


def module_name(file: Path, package: Path) -> str:
    return ".".join(file.relative_to(package.parent).with_suffix("").parts).removesuffix(
        ".__init__"
    )


@pytest.mark.parametrize(
    "package", [ROOT / "roborew", ROOT / "envs" / "roborew_envs"], ids=["roborew", "roborew_envs"]
)
def test_every_module_can_be_the_first_that_is_imported(package: Path) -> None:
    """Modules that load each other work or fail by the order in which somebody imports them."""
    files = package.rglob("*.py")
    arrows = {module_name(file, package): loaded_first(file, package) for file in files}
    assert list(
        TopologicalSorter(arrows).static_order()
    )  # raises CycleError, which names the circle
