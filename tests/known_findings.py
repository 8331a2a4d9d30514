"""The committed list of what is known of ``rules/``: cliffs, falls and started steps that the law means, or that we were told of.

Written again, once every new one was held against its text, by::

    python tests/known_findings.py > tests/known_findings.json

What depends on the day (validity) or on the wording of sentences is left out; places too, so that a comment moves nothing.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
CODES = {
    "cliff",
    "fall",
    "stepped",
    "stepped-unevenly",
    "charge-unreachable",
    "branch-unreachable",
    "band-unreachable",
    "version-gap",
    "version-overlap",
    "revision-gap",
}


def found() -> list[dict[str, Any]]:
    """What ``tariffs check rules --json`` says today, without sentences and places."""
    command = [sys.executable, "-m", "tariffs", "check", "rules", "--json", "--locale", "en"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, encoding="utf-8")
    assert done.stdout, done.stderr
    kept = [finding for finding in json.loads(done.stdout)["findings"] if finding["code"] in CODES]
    return [{key: value for key, value in finding.items() if key not in ("message", "file", "line", "column")} for finding in kept]


if __name__ == "__main__":
    print(json.dumps(found(), ensure_ascii=False, indent=1))
