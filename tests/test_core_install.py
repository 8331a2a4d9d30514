"""A core install imports, finds the packaged rules and prices the README's example, with no extra installed."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    built = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stderr
    return next(folder.glob("tariffs-*.whl"))


def run_core_only(folder: Path, cwd: Path) -> str:
    """What the core prints when everything else is refused; runs away from the tree, so nothing is found by chance."""
    command = [sys.executable, "-I", str(ROOT / "tests" / "core_only.py"), str(folder), str(ROOT / "README.md")]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_core_runs_without_any_extra(tmp_path: Path) -> None:
    assert "1500.30" in run_core_only(ROOT, tmp_path)


def test_the_wheel_carries_rules_sentences_and_types(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert "tariffs/py.typed" in names
    for package in ("tariffs", "billing_service"):
        here = {str(path.relative_to(ROOT)) for path in (ROOT / package).rglob("*.po")}
        assert here <= set(names)
        assert {str(path.relative_to(ROOT)) for path in (ROOT / package).rglob("*.py")} <= set(names)
    rules = {f"tariffs/{path.relative_to(ROOT)}" for path in (ROOT / "rules").rglob("*.yaml")}
    assert rules
    assert rules <= set(names)
    assert [name for name in names if name.startswith(("tests/", "rules/", "examples/"))] == []


def test_the_wheel_prices_the_first_example_of_the_readme(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    assert "1500.30" in run_core_only(site, tmp_path)
