"""What a stranger who clones the repository relies on: nothing of one machine, nothing unsafe, one
set of versions."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

import roborew

ROOT = Path(__file__).parents[1]
LISTING = subprocess.run(
    ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
).stdout
FILES = [ROOT / name for name in LISTING.split("\0") if name and (ROOT / name).is_file()]
PYTHON = [file for file in FILES if file.suffix == ".py"]
TEXT = [file for file in FILES if b"\0" not in file.read_bytes()[:8192]]

FORBIDDEN_TEXT = {
    "a path of one machine": r"/(?:root|home|work|Users)/\w|[A-Z]:\\\\Users",
    "an address of a package index": r"(?:index|trusted)[-_](?:url|host)\b\W*[=: ]\s*\S|find[-_]links\s*=",
    "an unexplained skip": r"mark\.skip(?:if)?\((?!(?s:.){0,200}reason=)|mark\.skip$|pytest\.skip\(\)",
    "a silenced type error without its rule": r"#\s*type:\s*ignore(?!\[)|#\s*pyright:\s*ignore(?!\[)",
}
PICKLES = {"pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}
UNSAFE_CALLS = {
    "eval",
    "exec",
    "torch.load",
    "torch.save",
    "os.system",
    "yaml.load",
    "pandas.read_pickle",
}
UNSAFE_FLAGS = {"allow_pickle", "trust_remote_code", "shell"}


def name(file: Path) -> str:
    return str(file.relative_to(ROOT))


def unsafe(tree: ast.AST) -> Iterator[str]:
    """Everything in a module that would load or run foreign code."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] in PICKLES)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in PICKLES:
            yield str(node.module)
        elif isinstance(node, ast.Call):
            if ast.unparse(node.func) in UNSAFE_CALLS:
                yield ast.unparse(node.func)
            for flag in node.keywords:
                if flag.arg in UNSAFE_FLAGS and not (
                    isinstance(flag.value, ast.Constant) and flag.value.value is False
                ):
                    yield f"{flag.arg}={ast.unparse(flag.value)}"


@pytest.mark.parametrize("rule", FORBIDDEN_TEXT)
def test_no_file_holds(rule: str) -> None:
    pattern = re.compile(FORBIDDEN_TEXT[rule], re.MULTILINE)
    texts = {name(file): file.read_text() for file in TEXT if file != Path(__file__)}
    found = {path: match.group() for path, text in texts.items() if (match := pattern.search(text))}
    assert not found, f"{rule}: {found}"


@pytest.mark.parametrize(
    "text",
    [
        "see /home/ada/roborew",
        "--index-url https://example.org/simple",
        "@pytest.mark.skip\n",
        "x = y  # type: ignore\n",
    ],
)
def test_the_rules_above_find_what_they_forbid(text: str) -> None:
    assert any(re.search(pattern, text, re.MULTILINE) for pattern in FORBIDDEN_TEXT.values())


def test_no_module_loads_or_runs_foreign_code() -> None:
    found = {
        name(file): found for file in PYTHON if (found := list(unsafe(ast.parse(file.read_text()))))
    }
    assert not found


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from cloudpickle import load",
        "eval(x)",
        "torch.load(p)",
        "np.load(p, allow_pickle=True)",
    ],
)
def test_the_search_for_foreign_code_finds_it(source: str) -> None:
    assert list(unsafe(ast.parse(source)))


def test_no_file_is_named_after_nothing() -> None:
    assert not [
        name(file) for file in PYTHON if file.stem in {"utils", "helpers", "common", "misc"}
    ]


def test_no_tracked_file_is_over_ten_mebibytes() -> None:
    assert not [name(file) for file in FILES if file.stat().st_size > 10 * 2**20]


def test_constraints_pin_every_dependency_and_nothing_of_one_platform() -> None:
    lines = [
        line
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if not line.startswith("#")
    ]
    assert all(re.fullmatch(r"[a-z0-9-]+==[0-9][0-9a-z.]*", line) for line in lines), lines
    pinned = {line.partition("==")[0] for line in lines}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = project["dependencies"] + project["optional-dependencies"]["dev"]
    assert {
        re.split(r"[\[<>=~! ]", entry)[0].lower().replace("_", "-") for entry in wanted
    } <= pinned
    assert not [entry for entry in pinned if entry.startswith(("nvidia-", "cuda-"))]


def imported_modules(tree: ast.AST) -> Iterator[str]:
    """Top-level names of the modules that a file imports, by ``import_module`` too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield str(node.module).split(".")[0]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            module = node.args[0]
            if isinstance(module, ast.Constant):
                yield str(module.value).split(".")[0]


def distribution(requirement: str) -> str:
    """The normalized name of what a requirement asks for.

    >>> distribution("open_clip_torch>=2.24")
    'open-clip-torch'
    """
    return re.split(r"[\[<>=~! ]", requirement)[0].lower().replace("_", "-")


SHIPPED = [file for file in PYTHON if name(file).startswith(("roborew/", "envs/"))]
THIRD_PARTY = {
    module for file in SHIPPED for module in imported_modules(ast.parse(file.read_text()))
} - {*sys.stdlib_module_names, "roborew", "roborew_envs"}
INSTALLED_DISTRIBUTIONS = packages_distributions()
# An extra's package may be absent here: then its import name stands for it.
ABSENT_DISTRIBUTIONS = {"gymnasium_robotics": ["gymnasium-robotics"], "dm_control": ["dm-control"]}
# Imported by a package between: torch.utils.tensorboard writes with it, and users look with it.
IMPORTED_BY_OTHERS = {"tensorboard"}
# Loggers of users who have them, and what some builds of torch bring; nobody needs them.
USED_WHEN_INSTALLED = {"wandb", "trackio", "triton"}


def distributions_of(module: str) -> set[str]:
    """Normalized names of the distributions that may bring a module."""
    installed = INSTALLED_DISTRIBUTIONS.get(module, [])
    brought = [*installed, *ABSENT_DISTRIBUTIONS.get(module, []), module]
    return {distribution(entry) for entry in brought}


def test_every_mandatory_dependency_is_imported() -> None:
    """What nothing imports is something to install, to update and to break for nothing."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    mandatory = {distribution(entry) for entry in project["dependencies"]}
    imported = {name for module in THIRD_PARTY for name in distributions_of(module)}
    assert not mandatory - imported - IMPORTED_BY_OTHERS


def test_every_import_is_of_a_declared_dependency() -> None:
    """A package that only another one brings may be gone with that one's next version."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [
        entry
        for extra, entries in project["optional-dependencies"].items()
        if extra not in ("dev", "docs")
        for entry in entries
    ]
    declared = {distribution(entry) for entry in [*project["dependencies"], *extras]}
    undeclared = [module for module in THIRD_PARTY if not distributions_of(module) & declared]
    assert not set(undeclared) - USED_WHEN_INSTALLED


def test_the_changelog_tells_of_this_version() -> None:
    assert f"## {roborew.__version__}" in (ROOT / "CHANGELOG.md").read_text()


@pytest.mark.parametrize("package", ["roborew", "envs/roborew_envs"])
def test_both_packages_promise_their_types(package: str) -> None:
    assert (ROOT / package / "py.typed").is_file()


def test_the_check_that_guards_the_project_can_run() -> None:
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111
