# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The correlations of this study once more, from each seed's numbers in its result.json; no model is run.

    python -m studies.reliance_and_accuracy.again

Correlations on other scenes need the answers of the models, so `python -m studies reliance_and_accuracy` alone has them.
"""

import numpy as np
from msgspec.structs import replace

from promvil_hf.metrics.reliance_and_accuracy import of_table
from studies.pages import FOLDER, publish
from studies.reliance_and_accuracy.study import MODELS, STUDY, of_correlations
from studies.results import read


MEASURES = {"reliance": "reliance", "as trained": "accuracy, as trained"}


def main():
    folder = FOLDER / STUDY.name
    result = read(folder / "result.json")
    means = {
        (name, model): result.score(measure, model=model).by_seed for name, measure in MEASURES.items() for model in MODELS
    }
    kept = [score for score in result.scores if "correlation over" not in score.setting["model"]]
    publish(STUDY, replace(result, scores=[*kept, *of_correlations(means)]), folder)
    seeds = [str(seed) for seed in result.seeds]
    names = "as trained", "reliance"
    without = [model for model in MODELS if model != "λ 0.9"]
    for title, models in (("7 models, means over seeds", MODELS), ("6 models, without λ 0.9", without)):
        values = [[np.mean([means[name, model][seed] for seed in seeds]) for model in models] for name in names]
        print(title, *of_table(*values), sep="\n  ")
    each = [[means[name, model][seed] for model in MODELS for seed in seeds] for name in names]
    print("21 models as if each were independent", *of_table(*each), sep="\n  ")


if __name__ == "__main__":
    main()
