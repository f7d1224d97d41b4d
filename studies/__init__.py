# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The papers' claims, and questions they leave open, as experiments on the toy world. Not part of the wheel.

A study is a folder: README.md (question, setting, command, conclusion), study.py (what is trained, measured and drawn),
result.json and plot.svg, which `python -m studies NAME` writes. It stands on top of the package and reimplements nothing.
"""
