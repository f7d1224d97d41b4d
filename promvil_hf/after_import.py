# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Import a module of this package as soon as a module of another one has been imported. Standard library only.

    after_import("transformers.models.auto.modeling_auto", "promvil_hf.backends.convolutional_tower")

transformers can only be given model classes, not the names of modules that hold them: giving it ours when this package is
imported would load torch.
"""

import sys
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.util import find_spec


def after_import(module: str, follower: str) -> None:
    """Import `follower` as soon as `module` has been imported; at once if it is there already."""
    if module in sys.modules:
        import_module(follower)
    else:
        sys.meta_path.insert(0, _Finder(module, follower))


class _Finder(MetaPathFinder):
    """Finds one module as Python would, and has another one imported behind it."""

    def __init__(self, module: str, follower: str):
        self.module, self.follower = module, follower

    def find_spec(self, name, path=None, target=None):
        if name != self.module or self not in sys.meta_path:
            return None
        sys.meta_path.remove(self)
        found = find_spec(name)
        if found is not None and found.loader is not None:
            found.loader = _Loader(found.loader, self.follower)
        return found


class _Loader(Loader):
    """Another loader, and an import at its end."""

    def __init__(self, loader: Loader, follower: str):
        self.loader, self.follower = loader, follower

    def __getattr__(self, name):
        return getattr(self.loader, name)

    def create_module(self, spec):
        return self.loader.create_module(spec)

    def exec_module(self, module):
        module.__spec__.loader = module.__loader__ = self.loader
        self.loader.exec_module(module)
        import_module(self.follower)
