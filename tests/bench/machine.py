"""Say what the figures were measured on."""

import os
import platform
import sqlite3
import time
from pathlib import Path
from statistics import median

APPENDS = 200
BLOCK = b"x" * 4096


def describe(folder: Path) -> list[str]:
    """Describe processor, system, versions, and how long the disk under a folder takes to be sure."""
    cpus = len(os.sched_getaffinity(0))
    return [
        f"machine: {_processor()}, {cpus} CPU{'s' if cpus > 1 else ''}, {_memory()}, load {os.getloadavg()[0]:.1f}",
        f"system:  Linux {platform.release()}, Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}",
        f"disk:    {_file_system(folder)}, fdatasync of a 4 KB append: p50 {_sync_seconds(folder) * 1e6:.0f} us",
    ]


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _memory() -> str:
    return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 1e9:.0f} GB"


def _file_system(folder: Path) -> str:
    """Name the kind of file system; on tmpfs nothing is durable and every figure of a queue is a dream."""
    found = ("/", "unknown")
    for line in Path("/proc/mounts").read_text().splitlines():
        _, where, kind = line.split()[:3]
        if folder.resolve().is_relative_to(where) and len(where) >= len(found[0]):
            found = (where, kind)
    return found[1]


def _sync_seconds(folder: Path) -> float:
    file = folder / "sync"
    took = []
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        for _ in range(APPENDS):
            os.write(descriptor, BLOCK)
            begin = time.perf_counter()
            os.fdatasync(descriptor)
            took.append(time.perf_counter() - begin)
    finally:
        os.close(descriptor)
        file.unlink()
    return median(took)
