"""Use a built wheel where the checkout cannot be seen: every file is there and the first commands
work.

The wheel goes into a new virtual environment; its dependencies are borrowed from the environment
that runs this script through a path file, which does not follow that environment's editable
roborew.

Usage: python .ci/wheel_smoke.py dist/roborew-*.whl
"""

import subprocess
import sys
import sysconfig
import tempfile
import venv
import zipfile
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
SOURCES = {"roborew": CHECKOUT / "roborew", "roborew_envs": CHECKOUT / "envs" / "roborew_envs"}
PROBE = """
import pathlib, sys
import gymnasium, roborew, roborew_envs
for package in (roborew, roborew_envs):
    where = pathlib.Path(package.__file__).resolve()
    assert where.is_relative_to(pathlib.Path(sys.prefix).resolve()), f"{where} is not the wheel's"
environment = gymnasium.make("roborew/Push-v0")
environment.reset(seed=0)
environment.step(environment.action_space.sample())
environment.close()
from roborew.registry import rewards
print("probe: environment steps, reward loads:", rewards.load("mini").__name__)
"""


def check_contents(wheel: Path) -> None:
    """Every tracked file of both packages is in the wheel, and nothing else is."""
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    wanted: set[str] = set()
    for package, folder in SOURCES.items():
        listing = subprocess.run(
            ["git", "ls-files", "-z", "."], cwd=folder, capture_output=True, text=True, check=True
        ).stdout
        wanted |= {f"{package}/{name}" for name in listing.split("\0") if name}
    if packed != wanted:
        sys.exit(f"wheel: missing {sorted(wanted - packed)}, not tracked {sorted(packed - wanted)}")
    print(f"wheel: {len(packed)} files, {wheel.stat().st_size / 1e6:.1f} MB")


def install(wheel: Path, home: Path) -> Path:
    """Make a virtual environment at ``home`` that holds the wheel; return its folder of
    commands."""
    venv.create(home, with_pip=False)
    commands = home / "bin"
    install_wheel = ["install", "--quiet", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(
        [sys.executable, "-m", "pip", "--python", str(commands / "python"), *install_wheel],
        check=True,
    )
    packages = next(home.glob("lib/python*/site-packages"))
    (packages / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return commands


def main(wheel: Path) -> None:
    """Check the wheel's contents, install it, and use it from an empty folder."""
    check_contents(wheel)
    with tempfile.TemporaryDirectory() as folder:
        commands = install(wheel.resolve(), Path(folder) / "venv")
        outside = Path(folder) / "empty"
        outside.mkdir()
        subprocess.run([commands / "python", "-c", PROBE], cwd=outside, check=True)
        for listed in ("envs", "rewards", "agents"):
            subprocess.run([commands / "roborew", "list", listed], cwd=outside, check=True)
    print("wheel: passed")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
