"""How time and memory are measured, and on what machine: the same way for every benchmark."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

PACKAGES = ("numpy", "pyarrow", "pandas", "polars", "duckdb", "chdb", "openfisca-core", "numba", "llvmlite", "nrel-pysam", "dask", "ray", "pyspark")

SOON = 1.0  # seconds
#: Run by a small process of its own: Linux hands a parent's peak on to the child it starts, and a benchmark's own is large.
_WATCH = """
import json, os, resource, subprocess, sys, time
begin = time.perf_counter()
done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL)
seconds = time.perf_counter() - begin
print(json.dumps([done.returncode, seconds, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024]))
"""


@dataclass(frozen=True, slots=True)
class Process:
    """A whole process, from its start to its end: seconds, and the most memory held by it or by the largest of its own children."""

    seconds: float
    peak_bytes: int


def timed(ways: Mapping[str, Callable[[], object]], repeat: int) -> dict[str, float]:
    """The median of warm runs of each way, in seconds; the ways take turns, so that a busy machine is busy for all.

    Before each timed run a way that takes less than ``SOON`` runs once untimed: in the turns of the others the system took its memory
    back and its caches were filled with theirs, and a warm run is what is measured.
    """
    spent: dict[str, list[float]] = {name: [_seconds(way)] for name, way in ways.items()}
    for _ in range(repeat):
        for name, way in ways.items():
            if spent[name][-1] < SOON:
                way()
            spent[name].append(_seconds(way))
    return {name: median(times[1:]) for name, times in spent.items()}


def _seconds(way: Callable[[], object]) -> float:
    begin = time.perf_counter()
    way()
    return time.perf_counter() - begin


def cold(commands: Mapping[str, Sequence[str]], repeat: int) -> dict[str, Process]:
    """Each command as a process of its own, the median of runs that take turns; the peak is the largest seen. CalledProcessError where one fails."""
    seen: dict[str, list[Process]] = {name: [] for name in commands}
    for _ in range(repeat):
        for name, command in commands.items():
            seen[name].append(watch(command))
    return {name: Process(median(one.seconds for one in runs), max(one.peak_bytes for one in runs)) for name, runs in seen.items()}


def watch(command: Sequence[str]) -> Process:
    """Runs a command once, its output thrown away (its errors are shown). CalledProcessError where it fails."""
    told = subprocess.run([sys.executable, "-S", "-E", "-c", _WATCH, *command], stdout=subprocess.PIPE, check=True)
    code, seconds, peak = json.loads(told.stdout)
    if code:
        raise subprocess.CalledProcessError(code, list(command))
    return Process(seconds, peak)


def peak_memory(command: Sequence[str]) -> int:
    """The most bytes a command holds, itself or the largest of its own children."""
    return watch(command).peak_bytes


def machine() -> dict[str, object]:
    """What a figure depends on: processor, cores this process may use, memory, and versions of what is installed."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {"processor": _processor(), "cores": cores, "memory_gib": _memory_gib(), "python": platform.python_version(), "versions": _versions()}


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.processor() or platform.machine())


def _memory_gib() -> int | None:
    names = getattr(os, "sysconf_names", {})
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30) if "SC_PHYS_PAGES" in names else None


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
