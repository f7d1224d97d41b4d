# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""For every test: no network beyond this machine, one quiet tokenizer, and the real data where it lies beside the checkout."""

import gc
import os
import socket
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests import forks


# How long an example takes is a matter of the machine, and no law of ours. The default suite tries the same examples in every
# run; `make fuzz` draws many more, and others each time.
settings.register_profile(
    "any machine", max_examples=30, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("many", settings.get_profile("any machine"), max_examples=1_000, derandomize=False)
settings.load_profile("any machine")

os.environ.setdefault("OMP_NUM_THREADS", "1")  # tiny models run faster on one thread, and xdist uses the other core
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("BITSANDBYTES_NOWELCOME", "1")

ROOT = Path(__file__).resolve().parents[1]
# What tests start reads `sitecustomize.py` there; this process, which may be a worker that was started so, has everything.
os.environ["PYTHONPATH"] = os.pathsep.join(
    dict.fromkeys([str(ROOT / "tests" / "child_processes"), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))])
)
if sys.modules.get("bitsandbytes", sys) is None:
    del sys.modules["bitsandbytes"]
LOOPBACK = ("127.", "::1", "localhost")


gc.disable()  # while libraries are loaded there is nothing to collect


def pytest_collection_finish():
    """What they loaded stays until the end: the garbage collector need not look through it time and again."""
    gc.collect()
    gc.freeze()
    forks.begin()
    gc.set_threshold(50_000, 20, 50)
    gc.enable()


def pytest_sessionfinish():
    forks.end()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item, nextitem):
    """So does what a test file leaves behind: libraries load parts late, and every training calls the garbage collector."""
    found = yield
    if nextitem is not None and nextitem.path != item.path:
        gc.collect()
        gc.freeze()
    return found


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Rows and photographs of other projects, never part of this repository."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the folder of real data is not beside the checkout")
    return folder


@pytest.fixture(autouse=True)
def no_request_leaves_this_machine(monkeypatch):
    connect = socket.socket.connect

    def guarded(self, address):
        if self.family in (socket.AF_INET, socket.AF_INET6) and not str(address[0]).startswith(LOOPBACK):
            raise AssertionError(f"a test tried to reach {address}: tests run offline")
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture(autouse=True)
def threads_of_torch_stay():
    """A command may set them for its whole process, which here goes on with other tests."""
    torch = sys.modules.get("torch")
    before = torch and torch.get_num_threads()
    yield
    if torch and torch.get_num_threads() != before:
        torch.set_num_threads(before)


@pytest.fixture
def half_precision():
    """Attention in bfloat16 works. Held to plain or AVX2 kernels on a processor with AVX-512, torch 2.13 packs for AVX-512
    in its flash attention, and then raises."""
    import torch

    before = torch.backends.cuda.flash_sdp_enabled()
    torch.backends.cuda.enable_flash_sdp(before and os.environ.get("ATEN_CPU_CAPABILITY") not in ("default", "avx2"))
    yield
    torch.backends.cuda.enable_flash_sdp(before)
