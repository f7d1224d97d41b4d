# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""What is to follow an import follows it, and the imported module is what Python alone would make of it."""

import importlib
import sys

import pytest

from promvil_hf.after_import import after_import


@pytest.fixture
def imported_here(tmp_path, monkeypatch):
    (tmp_path / "imported_here.py").write_text("VALUE = 7\n")
    (tmp_path / "follows.py").write_text("import imported_here\nSEEN = imported_here.VALUE\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path])
    yield "imported_here"
    sys.modules.pop("imported_here", None)
    sys.modules.pop("follows", None)


def test_it_follows_the_import(imported_here):
    before = [*sys.meta_path]
    after_import(imported_here, "follows")
    assert not {imported_here, "follows"} & {*sys.modules}
    module = importlib.import_module(imported_here)
    assert sys.modules["follows"].SEEN == 7 and sys.meta_path == before
    assert type(module.__loader__) is type(module.__spec__.loader) and "after_import" not in type(module.__loader__).__module__
    assert importlib.reload(module).VALUE == 7


def test_it_follows_at_once_where_the_module_is_there(imported_here):
    importlib.import_module(imported_here)
    after_import(imported_here, "follows")
    assert sys.modules["follows"].SEEN == 7


def test_a_module_that_is_imported_first_imports_what_it_follows(imported_here):
    after_import(imported_here, "follows")
    assert importlib.import_module("follows").SEEN == 7
