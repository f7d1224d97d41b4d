# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Work that is done once: its result is kept in a file together with the plan that decided it.

    plan = {"steps": 300, "seed": 0}
    record = do_once(folder / "done.json", plan, work)  # {"plan", "result", "seconds", "cpu_seconds"}

The file is written last and whole, so it says that the work is finished. Called again, the work is not done again; a file
of another plan is refused, and so is a second process while the first is at work. For many small items there is
`promvil_hf.jobs`.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from os.path import commonprefix
from pathlib import Path
from typing import Any

from promvil_hf.files import write_json
from promvil_hf.folder_lock import held
from promvil_hf.json_documents import json_document


LONGEST = 80  # letters of a value in a message


def read_back(plan: Any) -> Any:
    """The plan as it will read back from JSON: tuples are lists."""
    return json.loads(json.dumps(plan))


def key_of(plan: Any) -> str:
    """A short name of all that the plan says."""
    return sha256(json.dumps(plan, sort_keys=True).encode()).hexdigest()[:20]


def kept_result(path: Path, plan: Any) -> dict[str, Any] | None:
    """What the finished work left; None while it is not finished."""
    try:
        found = dict(json_document(path).fields)
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise ValueError(f"{path} is damaged ({error}). Delete it: only what it holds is done again.") from error
    if found.get("plan") == plan and "result" not in found:
        raise ValueError(f"{path} is damaged: it holds no result. Delete it: only what it holds is done again.")
    if found.get("plan") != plan:
        raise ValueError(f"{path} was made by another plan than the one asked for. Delete it: it is done again.")
    return found


def do_once(path: Path, plan: Any, work: Callable[[], Any]) -> dict[str, Any]:
    """What was kept, or else what `work` gives now; it gives JSON values."""
    if (found := kept_result(path, plan)) is not None:
        return found
    with held(path.parent):
        started, cpu = time.perf_counter(), time.process_time()
        record = {
            "plan": plan,
            "result": work(),
            "seconds": round(time.perf_counter() - started, 1),
            "cpu_seconds": round(time.process_time() - cpu, 1),
        }
        write_json(path, record)
    return record


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Which settings are not as they were, for a message. A setting inside another is "model.name"."""
    old, new = (dict(_flat(found)) for found in (before, now))
    changed = [name for name in old | new if old.get(name) != new.get(name)]
    return "; ".join("{} was {}, is {}".format(name, *_shortened(old.get(name), new.get(name))) for name in changed)


def _flat(settings: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    for name, value in settings.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", repr(value)


def _shortened(*values: str | None) -> Iterator[str]:
    """Long values from shortly before the place where they part."""
    shown = [value or "not set" for value in values]
    start = max(len(commonprefix(shown)) - 20, 0) if max(map(len, shown)) > LONGEST else 0
    for value in shown:
        part = value[start : start + LONGEST]
        yield f"{'…' if start else ''}{part}{'…' if start + LONGEST < len(value) else ''}"
