# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Tasks for lmms-eval: found by `LMMS_EVAL_PLUGINS=promvil_hf`, as promvil_compovl, promvil_refcoco_testA, promvil_pope …

The YAML files beside this one are the tasks; `grounding`, `hard_grounding` and `yes_no` are what they call. Boxes are read in the
dialect of `PROMVIL_DIALECT` (default qwen_json), or of the model where that is the plug-in's own, `--model promvil`. Nothing here
imports lmms-eval.
"""
