# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""How the toy bases come to see: a dense task for the vision tower, then phrases and questions.

    worlds    scenes and their rows, drawn when asked for
    tower     the vision tower learns what stands at each place
    alignment what lies between tower and language model says it in words
    kosmos2   a tiny Kosmos-2 that grounds simple phrases
    llava     a tiny LLaVA that answers questions
    llava_boxes  a tiny LLaVA that grounds simple phrases
    stages    the trainings of a base, one after another, with their curves
    measure   accuracies on held-out scenes, with intervals
    saving    a base as a checkpoint folder with its card
"""
