# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The backends of this package as a model of lmms-eval: `LMMS_EVAL_PLUGINS=promvil_hf … --model promvil`.

lmms-eval reads `AVAILABLE_MODELS` here when the plug-in is named, so this file imports nothing. It is how Kosmos-2, whose
boxes other harnesses throw away, is evaluated there.
"""

AVAILABLE_MODELS = {"promvil": "Promvil"}
