"""``python -m soak client --db both``: a client made from ``/openapi.json`` by somebody else's generator does a whole month.

The generator and the client live in an environment of their own (pins in ``client-requirements.lock``), where nothing of ours is
installed. Needs the network for pip, and so is no part of ``make test``. What the generator cannot make use of is a finding.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

from soak.serving import serving

HERE = Path(__file__).parent
#: Files: the generator knows how to hand over bytes, once it is told which kinds are.
FILES = ("application/pdf", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "application/yaml")


def soak(kind: str) -> int:
    """On one kind of database or both; how many findings."""
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        python = _environment(Path(folder))
        for one in ("sqlite", "postgresql") if kind == "both" else (kind,):
            with serving(one) as served:
                warnings = _generate(python, Path(folder) / one, served.base)
                done = _run([str(python), "-I", "-c", _BOOT, str(Path(folder) / one), served.base, served.keys["li"], served.keys["wang"]], Path(folder))
            wrong += len(warnings) + (done.returncode != 0)
            for warning in warnings:
                print(f"{one}: FOUND {warning}")
            print(f"{one}: {done.stdout.strip()}, no finding" if done.returncode == 0 else f"{one}: FOUND {done.stderr.strip()[-2000:]}")
    return wrong


#: ``-I`` keeps our tree and environment out of the path; the month itself and the generated client are put into it by name.
_BOOT = f"import runpy, sys; sys.path[:0] = [sys.argv[1]]; sys.argv[1:2] = []; runpy.run_path({str(HERE / 'client_month.py')!r}, run_name='__main__')"


def _environment(folder: Path) -> Path:
    subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True)
    python = folder / "venv" / "bin" / "python"
    subprocess.run([str(python), "-m", "pip", "install", "--quiet", "--require-hashes", "-r", str(HERE / "client-requirements.lock")], check=True)
    return python


def _generate(python: Path, folder: Path, base: str) -> list[str]:
    """Make ``billing_client``; what the generator complains of."""
    folder.mkdir()
    with urllib.request.urlopen(f"{base}/openapi.json") as answer:  # noqa: S310  our own service on the loopback
        (folder / "openapi.json").write_bytes(answer.read())
    overrides = "".join(f"  {kind}: application/octet-stream\n" for kind in FILES)
    (folder / "config.yaml").write_text(f"content_type_overrides:\n{overrides}post_hooks: []\n", "utf-8")
    words = ["generate", "--path", "openapi.json", "--config", "config.yaml", "--output-path", "billing_client", "--meta", "none"]
    done = _run([str(python.parent / "openapi-python-client"), *words], folder)
    if done.returncode != 0:
        raise SystemExit(done.stdout + done.stderr)
    return re.findall(r"(?:WARNING|ERROR) .*\n(?:\n?.*\n){0,3}", done.stdout + done.stderr)


def _run(words: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False, env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"})
