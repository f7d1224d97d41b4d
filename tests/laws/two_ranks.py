# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Two ranks over gloo, set up as torchrun does it, but forked from one process that has loaded the libraries.

`python -m tests.laws.two_ranks FOLDER MODULE[:WORD] ...` calls `main(FOLDER/MODULE[, WORD])` of each module in turn.
"""

import gc
import importlib
import json
import os
import signal
import sys
import traceback
from pathlib import Path

from tests import forks


ROOT = Path(__file__).resolve().parents[2]


def on_two_ranks(folder: Path, *modules: str) -> dict[str, list[dict]]:
    """What `main` of each module returned on rank 0 and on rank 1."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    done = forks.run(["-m", "tests.laws.two_ranks", folder, *modules], folder, cwd=ROOT, env=environment)
    assert done.returncode == 0, done.stderr[-4000:]
    names = [module.partition(":")[0] for module in modules]
    return {name: [json.loads((folder / name / f"rank{rank}.json").read_text()) for rank in (0, 1)] for name in names}


def main(folder: str, *modules: str) -> int:
    from torch.distributed import TCPStore

    calls = []
    for module in modules:
        name, _, word = module.partition(":")
        module_folder = Path(folder, name)
        module_folder.mkdir()
        calls.append((importlib.import_module(f"tests.laws.{name}").main, module_folder, [word] if word else []))
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)  # on a port that is free
    os.environ |= {
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(store.port), "TORCHELASTIC_USE_AGENT_STORE": "True",
        "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2",
    }  # fmt: skip
    gc.freeze()  # as in conftest.py
    ranks = {begin(rank, calls) for rank in (0, 1)}
    ended, status = os.wait()
    (other,) = ranks - {ended}
    if status:
        os.kill(other, signal.SIGKILL)  # it would wait for the one that is gone
    return int(bool(status) or bool(os.waitpid(other, 0)[1]))


def begin(rank: int, calls: list) -> int:
    child = os.fork()
    if child:
        return child
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank)}
    try:
        for call, folder, words in calls:
            (folder / f"rank{rank}.json").write_text(json.dumps(call(folder, *words)))
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
