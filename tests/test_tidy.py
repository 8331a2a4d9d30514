"""What the house promises about its own files, checked on the files themselves."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FUNCTION_LINES = 70
MODULE_LINES = 600
LEFT_OUT = {".git", ".venv", "out", "build", "dist", "__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis", ".import_linter_cache"}
SOURCES = sorted(path for package in ("tariffs", "billing_service") for path in (ROOT / package).rglob("*.py") if path.parent.name != "versions")
VERSION_FILE = re.compile(r"\d{4}-\d{2}-\d{2}(\.r\d+)?\.yaml")
# Written in pieces, so that this file does not name what it forbids.
HOSTS = ["py" + "pi.org", "python" + "hosted", "npm" + "js.", "crates" + ".io", "/" + "simple/"]
PLACES = ["/" + "work/", "/" + "root/", "/" + "opt/", "/home" + "/", "shared" + "/design", "issues" + " show"]


def files() -> Iterator[Path]:
    for path in sorted(ROOT.rglob("*")):
        if path.is_file() and not LEFT_OUT & set(path.relative_to(ROOT).parts) and path.suffix not in (".db", ".pyc"):
            yield path


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def floats(path: Path) -> list[str]:
    """Where a float is written or made; how alike two names must be, to be suggested, is no amount."""
    tree, found = ast.parse(path.read_text(encoding="utf-8")), []
    alike = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("get_close_matches")]
    allowed = {id(part) for call in alike for part in ast.walk(call)}
    for node in ast.walk(tree):
        literal = isinstance(node, ast.Constant) and isinstance(node.value, float | complex) and id(node) not in allowed
        call = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "float"
        if literal or call:
            found.append(f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}")
    return found


def test_no_float_is_written_in_the_library() -> None:
    assert [place for path in sorted((ROOT / "tariffs").rglob("*.py")) for place in floats(path)] == []


def test_sql_stays_in_the_store() -> None:
    """Elsewhere a connection is a word one passes on; nothing is selected, joined or executed."""
    found = []
    for path in SOURCES:
        if "store" in path.parts or "migrations" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = {name.name for name in node.names} if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sqlalchemy") else set()
            names |= {name.name for name in node.names if name.name.startswith("sqlalchemy")} if isinstance(node, ast.Import) else set()
            if names - {"Connection", "Engine", "Row", "DBAPIError"} or (isinstance(node, ast.Attribute) and node.attr in ("execute", "exec_driver_sql")):
                found.append(f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}")
    assert found == []


def test_functions_stay_short() -> None:
    lengths = [
        (f"{path.relative_to(ROOT)}:{node.lineno} {node.name}", (node.end_lineno or 0) - node.lineno + 1) for path in SOURCES for node in functions(path)
    ]
    assert [f"{name}: {length}" for name, length in lengths if length > FUNCTION_LINES] == []


def test_modules_stay_short() -> None:
    lengths = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8").count("\n") for path in SOURCES}
    lengths.pop("tariffs/model.py")  # all nouns stand in one file, so that it can be read from top to bottom
    assert {name: length for name, length in lengths.items() if length > MODULE_LINES} == {}


def test_no_file_names_a_machine_or_a_host() -> None:
    found = []
    for path in files():
        content = path.read_bytes().decode("utf-8", errors="replace")
        found += [f"{path.relative_to(ROOT)}: {word}" for word in (*HOSTS, *PLACES) if word in content]
    assert found == []


def version_files() -> list[Path]:
    return sorted(path for root in ("rules", "examples", "tests") for path in (ROOT / root).rglob("*.yaml") if VERSION_FILE.fullmatch(path.name))


@pytest.mark.parametrize("path", [path for path in version_files() if "tests" not in path.parts], ids=lambda path: str(path.relative_to(ROOT)))
def test_a_version_has_its_cases(path: Path) -> None:
    cases = path.with_name(path.name.removesuffix(".yaml") + ".cases.yaml")
    assert cases.is_file(), f"write golden cases for it in {cases.relative_to(ROOT)}"
    assert cases.stat().st_size > 0
