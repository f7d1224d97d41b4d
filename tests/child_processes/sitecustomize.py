# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Processes that tests start do not load bitsandbytes: none of them quantises, and peft would load it, with torch's compiler."""

import sys


sys.modules["bitsandbytes"] = None
