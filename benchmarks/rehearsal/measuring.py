# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A command in its anonymous_peak process: seconds, CPU seconds, and the peak memory of it and all its children. Linux."""

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path


EVERY = 0.1  # seconds between two looks


def measured(argv: Sequence[str], env: Mapping[str, str], folder: Path, log: Path) -> dict[str, float]:
    """Run a command to its end, its output in `log`.

    `peak_bytes` is the highest sum of resident memory over all processes, mapped files included; `own_bytes` is that sum
    without what is mapped from files, which the system can drop. Raises for a command that fails.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    peak = anonymous_peak = 0
    started = time.perf_counter()
    with open(log, "w") as written:
        process = subprocess.Popen(argv, cwd=folder, env=dict(env), stdout=written, stderr=subprocess.STDOUT)
    while True:
        resident = [_memory(pid) for pid in family(process.pid)]
        peak = max(peak, sum(now for now, _, _ in resident), *(highest for _, _, highest in resident), 0)
        anonymous_peak = max(anonymous_peak, sum(anonymous for _, anonymous, _ in resident))
        ended, status, used = os.wait4(process.pid, os.WNOHANG)
        if ended:
            break
        time.sleep(EVERY)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        end = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
        raise ValueError(f"The command ended with status {process.returncode}; {log} ends so:\n{end}")
    seconds, cpu = round(time.perf_counter() - started, 1), round(used.ru_utime + used.ru_stime, 1)
    return {"seconds": seconds, "cpu_seconds": cpu, "peak_bytes": peak, "own_bytes": anonymous_peak}


def family(pid: int) -> list[int]:
    """The process and all that descend from it, as far as they live."""
    found = [pid]
    for parent in found:
        try:
            for task in os.listdir(f"/proc/{parent}/task"):
                found += map(int, Path(f"/proc/{parent}/task/{task}/children").read_text().split())
        except OSError:  # it ended meanwhile
            continue
    return found


def _memory(pid: int) -> tuple[int, int, int]:
    """Bytes of a process: resident now, of these anonymous, and the most that were resident since it began."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0, 0, 0
    fields = dict(line.split(":", 1) for line in lines if ":" in line)
    return tuple(int(fields.get(name, "0").split()[0]) * 1024 for name in ("VmRSS", "RssAnon", "VmHWM"))
