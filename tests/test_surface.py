"""What a package shows is what its ``__all__`` says, and an ``__init__`` does nothing else."""

import ast
import importlib
import tomllib
from pathlib import Path

import pytest
from setuptools import find_packages

ROOT = Path(__file__).parents[1]
ROOMS = ("agents", "detectors", "load", "pipeline", "tables")
PACKAGES = sorted(
    path.parent.relative_to(ROOT).as_posix().replace("/", ".")
    for room in ROOMS
    for path in (ROOT / room).rglob("__init__.py")
)


def faults(source: str) -> list[str]:
    """What is wrong with an ``__init__``: one docstring, imports, registries, a sorted ``__all__`` of what is public.

    Public is what comes from our packages, and a registry: a dictionary in capitals that contract suites walk.
    """
    tree = ast.parse(source)
    found = [] if ast.get_docstring(tree) else ["no docstring"]
    names, public, listed = set(), set(), None
    for node in tree.body[1 if not found else 0 :]:
        target = _assigned(node)
        if isinstance(node, ast.Import | ast.ImportFrom):
            imported = {alias.asname or alias.name for alias in node.names}
            names |= imported
            if isinstance(node, ast.ImportFrom) and str(node.module).partition(".")[0] in ROOMS:
                public |= {name for name in imported if not name.startswith("_")}
        elif target == "__all__":
            listed = ast.literal_eval(node.value)
        elif target.isupper() and isinstance(node.value, ast.Dict):
            names.add(target)
            public.add(target)
        else:
            found.append(f"line {node.lineno} is neither import nor registry nor __all__")
    return found + _listing(names, public, listed)


def _assigned(node: ast.stmt) -> str:
    """The name that a statement assigns to, or nothing."""
    if isinstance(node, ast.Assign):
        return ast.unparse(node.targets[0]) if len(node.targets) == 1 else ""
    return ast.unparse(node.target) if isinstance(node, ast.AnnAssign) and node.value else ""


def _listing(names: set[str], public: set[str], listed: list[str] | None) -> list[str]:
    if listed is None:
        return ["no __all__"] if public else []
    found = [] if list(listed) == sorted(set(listed), key=_rank) else ["__all__ is not sorted"]
    found += [f"{name} is public and not in __all__" for name in sorted(public - set(listed))]
    return found + [f"{name} is in __all__ and not there" for name in sorted(set(listed) - names)]


def _rank(name: str) -> tuple[int, str]:
    """The linter's order: constants, classes, the rest."""
    return (0 if name.isupper() else 1 if name[:1].isupper() else 2), name


@pytest.mark.parametrize("package", PACKAGES)
def test_all_is_what_is_public(package):
    """``__all__`` is sorted and equals what the package imports, and each name is there."""
    assert faults((ROOT / package.replace(".", "/") / "__init__.py").read_text()) == []
    module = importlib.import_module(package)
    assert [name for name in getattr(module, "__all__", ()) if not hasattr(module, name)] == []


def test_every_package_is_installed():
    """Each folder with modules is a package with an ``__init__``, and one that pyproject's patterns find."""
    find = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]["find"]
    assert set(find_packages(str(ROOT), **find)) == set(PACKAGES)
    folders = {path.parent.relative_to(ROOT).as_posix() for room in ROOMS for path in (ROOT / room).rglob("*.py")}
    assert {folder.replace("/", ".") for folder in folders} == set(PACKAGES)


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("from tables.a import b", "no docstring"),
        ('"""x"""\nfrom tables.a import b', "no __all__"),
        ('"""x"""\nfrom tables.a import b, c\n__all__ = ["c", "b"]', "__all__ is not sorted"),
        ('"""x"""\nfrom tables.a import b, C\n__all__ = ["b", "C"]', "__all__ is not sorted"),
        ('"""x"""\nfrom tables.a import b\n__all__ = ["b", "b"]', "__all__ is not sorted"),
        ('"""x"""\nfrom tables.a import b, c\n__all__ = ["b"]', "c is public and not in __all__"),
        ('"""x"""\nfrom tables import b as d\n__all__ = ["b"]', "d is public and not in __all__"),
        ('"""x"""\nfrom tables import b\nALL = {"b": b}\n__all__ = ["b"]', "ALL is public and not in __all__"),
        ('"""x"""\nfrom tables.a import b\n__all__ = ["b", "c"]', "c is in __all__ and not there"),
        ('"""x"""\nfrom tables.a import *\n__all__ = []', "* is public and not in __all__"),
        ('"""x"""\ndef f(): ...', "line 2 is neither import nor registry nor __all__"),
        ('"""x"""\nif a:\n    import b', "line 2 is neither import nor registry nor __all__"),
        ('"""x"""\nLIMIT = f()', "line 2 is neither import nor registry nor __all__"),
        ('"""x"""\nmade = {}', "line 2 is neither import nor registry nor __all__"),
    ],
)
def test_each_kind_of_fault_is_caught(source, fault):
    """The check fails on an ``__init__`` that breaks one rule, and names it."""
    assert fault in faults(source)


@pytest.mark.parametrize(
    "source",
    [
        '"""Nothing public."""',
        '"""x"""\nfrom tables.a import B, _c, d\n__all__ = ["B", "d"]',
        '"""x"""\nfrom typing import Any\nfrom tables import b\nALL: dict[str, Any] = {"b": b}\n__all__ = ["ALL", "b"]',
    ],
)
def test_a_right_init_has_no_fault(source):
    """The check stays silent on what keeps the rules."""
    assert faults(source) == []
