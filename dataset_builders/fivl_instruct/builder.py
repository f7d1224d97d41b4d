# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""FiVL-Instruct as a `datasets` builder. The logic lives in the package; nothing of this folder but the card goes to the Hub.

    from dataset_builders.fivl_instruct.builder import FivlInstruct

(The file is not called fivl_instruct.py: a Hub repository that holds a script of its own name can no longer be loaded.)
"""

from promvil_hf.fivl.fivl_publish import CONFIGS, FEATURES, FivlInstruct, FivlInstructConfig


__all__ = ["CONFIGS", "FEATURES", "FivlInstruct", "FivlInstructConfig"]
