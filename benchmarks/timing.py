# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""What the benchmarks share: options, CPU seconds of variants that take turns, operations, peak memory, the report."""

import argparse
import gc
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import torch

from promvil_hf.environment import environment
from promvil_hf.training.counted_operations import counter


def parser(doc: str, **numbers: int | tuple[int, str]) -> argparse.ArgumentParser:
    """The options of a benchmark: `numbers` are whole ones with their default, and perhaps their help."""
    made = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, number in numbers.items():
        default, about = number if isinstance(number, tuple) else (number, "")
        about = f"{about} (default: {default})".lstrip()
        made.add_argument(f"--{name.replace('_', '-')}", type=int, default=default, help=about)
    return made


def parsed(options: argparse.ArgumentParser, arguments: list[str] | None) -> argparse.Namespace:
    """The arguments; torch is held to one thread from here on."""
    found = options.parse_args(arguments)
    torch.set_num_threads(1)
    return found


@contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    """New tensors have this type inside."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def once(way: Callable[[], Any]) -> tuple[Any, float]:
    """What a call gives, and its CPU seconds."""
    begin = time.process_time()
    found = way()
    return found, time.process_time() - begin


def cpu_seconds(
    ways: Mapping[str, Callable[[], Any]], repeats: int, *, warm_up: bool = True, tell: bool = False
) -> dict[str, float]:
    """Median CPU seconds of each way, which take turns as `seconds_by_turn` has them."""
    return {name: median(taken) for name, taken in seconds_by_turn(ways, repeats, warm_up=warm_up, tell=tell).items()}


def seconds_by_turn(
    ways: Mapping[str, Callable[[], Any]], repeats: int, *, warm_up: bool = True, tell: bool = False
) -> dict[str, list[float]]:
    """CPU seconds of each way, turn by turn. They take turns, so a slow moment of the machine hits all of them.

    A first turn that does not count warms up; with `repeats=0` it is the one that counts. `tell` prints each turn.
    Garbage is collected before each turn; what is there at the beginning is looked through once, and stays.
    """
    gc.collect()
    gc.freeze()
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats + warm_up):
        for name, way in ways.items():
            gc.collect()
            seconds[name].append(once(way)[1])
            if tell:
                print(f"{name}: {seconds[name][-1]:.1f} s", file=sys.stderr)
    return {name: taken[-repeats:] for name, taken in seconds.items()}


def times_as_fast(slow: Sequence[float], fast: Sequence[float]) -> float:
    """The median over turns of how many times as fast one way is as the other in the same turn."""
    return median(one / other for one, other in zip(slow, fast, strict=True))


def on_device(way: Callable[[], Any], device: str, repeats: int) -> dict[str, Any]:
    """Seconds of each turn after one that does not count, and the highest memory of a turn above what was there before.

    On a GPU seconds of the clock and bytes of its allocator; on a CPU seconds of this process and its resident memory.
    """
    if device == "cpu":
        peak = peak_bytes(way)
        return {"seconds": [once(way)[1] for _ in range(repeats)], "peak_bytes": peak}
    way()
    torch.cuda.synchronize()
    gc.collect()
    torch.cuda.reset_peak_memory_stats()
    before, seconds = torch.cuda.memory_allocated(), []
    for _ in range(repeats):
        begin = time.perf_counter()
        way()
        torch.cuda.synchronize()
        seconds.append(time.perf_counter() - begin)
    return {"seconds": seconds, "peak_bytes": torch.cuda.max_memory_allocated() - before}


def counted(way: Callable[[], Any]) -> tuple[Any, int]:
    """What a call gives, and its floating-point operations, which are the same on every machine.

    Products of matrices, convolutions and attention. Attention is counted for all pairs of places, also for those that a mask
    or causality hides.
    """
    found, of_kernel = counted_by_kernel(way)
    return found, sum(of_kernel.values())


def counted_by_kernel(way: Callable[[], Any]) -> tuple[Any, dict[str, int]]:
    """The same, with the operations of each kernel by its name."""
    with counter() as operations:
        found = way()
    return found, {str(kernel): count for kernel, count in operations.get_flop_counts()["Global"].items()}


def memory(field: str) -> int:
    """Bytes of this process by their name in /proc/self/status. Linux."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith(field))


def peak_bytes(way: Callable[[], Any]) -> int:
    """How far memory rises while this runs. Linux. Its counters are exact to some pages, so a way without memory of its own could
    seem to free some: that is 0."""
    gc.collect()
    with open("/proc/self/clear_refs", "w") as reset:
        reset.write("5")
    before = memory("VmRSS")
    way()
    return max(memory("VmHWM") - before, 0)


def in_its_own_process(benchmark: str, *arguments: object) -> Any:
    """The JSON value that a benchmark of this package prints last, called with these arguments."""
    command = [sys.executable, "-m", f"benchmarks.{benchmark}", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def with_versions(report: dict, args: argparse.Namespace) -> dict:
    """The report with the settings it was made with, and with versions."""
    facts = environment(devices=False)
    versions = {name: facts["packages"][name] for name in ("torch", "transformers")}
    return report | {
        "settings": {name: value for name, value in vars(args).items() if name != "out"},
        "environment": {"python": facts["promvil_hf"]["python"], **versions, "cores": facts["machine"]["cores"]},
    }


def printed(report: dict, out: Path | None = None) -> dict:
    """Print the report as JSON, and write it to `out`."""
    text = json.dumps(report, indent=2)
    print(text)
    if out is not None:
        out.write_text(text + "\n")
    return report
