# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""The whole way from an empty disk to a report, at full size, with everything real but the weights: `__main__` says how."""
