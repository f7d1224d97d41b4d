# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The Space of this module: JSON in, the module's result out."""

from pathlib import Path

from promvil_hf.evaluation.metric_space import launch


MODULE = Path(__file__).resolve().with_name("grounding_accuracy.py")

if __name__ == "__main__":
    launch(MODULE)
