# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Metrics as pure functions over arrays and plain data: no torch, no files, no network.

Each result is a small frozen value that carries the number and what makes it comparable. Import from the modules:
`answers` (texts and boxes to arrays), `grounding`, `gqa`, `vqa`, `pope`, `reliance`, `segmentation`,
`rank_correlation`, `intervals`.
"""
