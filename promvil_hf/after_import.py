# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""Do something when a module of another package has been imported, without importing it. Standard library only.

    after_import("transformers.models.auto.modeling_auto", "promvil_hf.backends.convolutional_tower:register")

transformers can only be given model classes, not the names of modules that hold them: giving it ours when this package is
imported would load torch.
"""

import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.util import find_spec
from pkgutil import resolve_name



def after_import(module: str, function: str) -> None:
    """Call `function`, named "module:name", as soon as `module` has been imported; at once if it is there already."""
    if module in sys.modules:
        resolve_name(function)()
    else:
        sys.meta_path.insert(0, _Finder(module, function))


class _Finder(MetaPathFinder):
    """Finds one module as Python would, and has a function called behind it."""

    def __init__(self, module: str, function: str):
        self.module, self.function = module, function

    def find_spec(self, name, path=None, target=None):
        if name != self.module or self not in sys.meta_path:
            return None
        sys.meta_path.remove(self)
        found = find_spec(name)
        if found is not None and found.loader is not None:
            found.loader = _Loader(found.loader, self.function)
        return found


class _Loader(Loader):
    """Another loader, and a call at its end."""

    def __init__(self, loader: Loader, function: str):
        self.loader, self.function = loader, function

    def __getattr__(self, name):
        return getattr(self.loader, name)

    def create_module(self, spec):
        return self.loader.create_module(spec)

    def exec_module(self, module):
        module.__spec__.loader = module.__loader__ = self.loader
        self.loader.exec_module(module)
        resolve_name(self.function)()
