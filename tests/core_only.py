"""Run by tests/test_core_install.py in a process of its own: nothing outside the core dependencies can be imported here.

Arguments: the folder to import ``tariffs`` from, and the README whose examples must come out as printed.
"""

import doctest
import importlib.metadata
import os
import runpy
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path

from packaging.requirements import Requirement


def core_distributions(name: str) -> set[str]:
    """The distribution and all it needs, without any extra."""
    found, waiting = set(), [name]
    while waiting:
        this = waiting.pop()
        if this in found:
            continue
        found.add(this)
        for line in importlib.metadata.requires(this) or []:
            need = Requirement(line)
            if need.marker is None or need.marker.evaluate({"extra": ""}):
                waiting.append(need.name.lower().replace("_", "-"))
    return found


def blocked_names() -> set[str]:
    """Top-level modules that are installed here and do not belong to the core."""
    core = core_distributions("tariffs")
    by_module = importlib.metadata.packages_distributions()
    return {module for module, owners in by_module.items() if not core & {owner.lower().replace("_", "-") for owner in owners}} | {"billing_service"}


class Blocker:
    """An import hook that knows nothing but how to refuse."""

    def __init__(self, names: set[str]) -> None:
        self.names = names

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: object = None) -> ModuleSpec | None:
        if name.partition(".")[0] in self.names:
            raise ModuleNotFoundError(name)
        return None


def main(folder: Path, readme: Path) -> None:
    names = blocked_names()
    assert {"fastapi", "sqlalchemy", "pandas", "numpy", "pyarrow"} <= names, names
    for name in [name for name in sys.modules if name.partition(".")[0] in names]:
        del sys.modules[name]
    sys.meta_path.insert(0, Blocker(names))
    sys.path.insert(0, str(folder))
    os.environ.pop("TARIFFS_RULES", None)

    import tariffs

    assert Path(tariffs.__file__).parent == folder / "tariffs", tariffs.__file__
    found = tariffs.versions()
    assert found, "no packaged rules"
    print(len(found), "versions")
    result = doctest.testfile(str(readme), module_relative=False)
    assert result.attempted >= 3, "the README shows no example"
    print(result.attempted, "examples,", result.failed, "failed")

    sys.argv = ["tariffs", "quote", "cn/beijing/kitchen-waste", "--on", "2022-10-31", "payer=quota_unit", "weight=5.001", "quota=10"]
    try:
        runpy.run_module("tariffs", run_name="__main__")
    except SystemExit as end:
        assert not end.code, end.code  # noqa: PT017 -- no test, a program
    sys.exit(1 if result.failed else 0)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
