# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""For every test: no network beyond this machine, one quiet tokenizer, and the real data where it lies beside the checkout."""

import gc
import os
import socket
import sys
from pathlib import Path

import pytest


os.environ.setdefault("OMP_NUM_THREADS", "1")  # tiny models run faster on one thread, and xdist uses the other core
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("BITSANDBYTES_NOWELCOME", "1")

ROOT = Path(__file__).resolve().parents[1]
LOOPBACK = ("127.", "::1", "localhost")


gc.disable()  # while libraries are loaded there is nothing to collect


def pytest_collection_finish():
    """What they loaded stays until the end: the garbage collector need not look through it time and again."""
    gc.collect()
    gc.freeze()
    gc.enable()
    torch = sys.modules.get("torch")
    if torch and os.environ.get("ATEN_CPU_CAPABILITY") in ("default", "avx2"):
        # Held to these kernels on a processor with AVX-512, torch 2.13 packs bfloat16 for AVX-512 and then raises.
        torch.backends.cuda.enable_flash_sdp(False)


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
