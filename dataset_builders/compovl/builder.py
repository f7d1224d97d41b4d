# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""CompoVL as a `datasets` builder. The logic lives in the package; nothing of this folder but the card goes to the Hub.

    from dataset_builders.compovl.builder import CompoVL

(The file is not called compovl.py: a Hub repository that holds a script of its own name can no longer be loaded.)
"""

from promvil_hf.compovl.compovl_publish import FEATURES, SPLITS_OF_VIEW, VIEWS, CompoVL, CompoVLConfig


__all__ = ["FEATURES", "SPLITS_OF_VIEW", "VIEWS", "CompoVL", "CompoVLConfig"]
