# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Data of others brought to this machine: where it is, whole or not at all, laid out as readers and builders expect it."""
