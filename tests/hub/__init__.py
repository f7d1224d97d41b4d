# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A Hub on 127.0.0.1 for tests: uploads, downloads and errors over real HTTP, with no network."""
