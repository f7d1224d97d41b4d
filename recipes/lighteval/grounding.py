# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Custom tasks of lighteval: CompoVL's whole expressions, scored by their first box.

Launch:        lighteval accelerate "model_name=Qwen/Qwen2-VL-2B-Instruct" promvil_compovl --vision-model \\
                   --custom-tasks recipes/lighteval/grounding.py
Precondition:  pip install lighteval; a copy of CompoVL that holds its photographs; PROMVIL_DIALECT names how the model
               writes boxes (default qwen_json).
Expected:      promvil_accuracy, promvil_mean_iou and promvil_parse_rate, equal to `promvil evaluate` on the same answers.
"""

import os

import numpy as np
from lighteval.metrics.metrics_sample import SampleLevelComputation
from lighteval.metrics.utils.metric_utils import SampleLevelMetricGrouping
from lighteval.tasks.lighteval_task import LightevalTaskConfig
from lighteval.tasks.requests import Doc, SamplingMethod

from promvil_hf.compovl.compovl_rows import step_rows
from promvil_hf.tasks import grounding


def top_expression(line, task_name=None):
    """The last step of a chain is its whole expression."""
    step = list(step_rows(line))[-1]
    document = {**step, "id": step["step_id"], "image_size": [line["width"], line["height"]]}
    return Doc(
        task_name=task_name,
        query=grounding.prompt(document),
        choices=[grounding.target(document)],
        gold_index=0,
        images=grounding.picture({"image": line["image"]}),
        specific={name: document[name] for name in ("id", "level", "boxes", "image_size")},
    )


class FirstBox(SampleLevelComputation):
    def compute(self, model_response, doc, **_):
        found = grounding.judge(doc.specific, model_response.final_text[0] if model_response.final_text else "")
        score = grounding.score([found])
        return {
            "promvil_accuracy": score.accuracy,
            "promvil_mean_iou": score.mean_iou,
            "promvil_parse_rate": score.parse_rate,
        }


NAMES = ["promvil_accuracy", "promvil_mean_iou", "promvil_parse_rate"]
first_box = SampleLevelMetricGrouping(
    metric_name=NAMES,
    higher_is_better=dict.fromkeys(NAMES, True),
    category=SamplingMethod.GENERATIVE,
    sample_level_fn=FirstBox(),
    corpus_level_fn=dict.fromkeys(NAMES, np.mean),
)

TASKS_TABLE = [
    LightevalTaskConfig(
        name="promvil_compovl",
        prompt_function=top_expression,
        hf_repo=os.environ.get("PROMVIL_COMPOVL", "promvil/compovl"),
        hf_subset="default",
        hf_avail_splits=["test"],
        evaluation_splits=["test"],
        few_shots_split=None,
        few_shots_select=None,
        generation_size=128,
        metrics=[first_box],
        stop_sequence=None,
        version=1,
    )
]
