# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Prints where the tasks lie: `--include_path "$(python -m promvil_hf.tasks)"`.

lmms-eval 0.7.3 builds its list of tasks before it looks at LMMS_EVAL_PLUGINS, and so finds none of a plug-in's. Remove
this from the documents when it looks first.
"""

from pathlib import Path


if __name__ == "__main__":
    print(Path(__file__).resolve().parent)
