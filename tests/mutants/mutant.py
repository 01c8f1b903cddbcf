"""One mutant: a module of the core with one thing changed, and how it is put in its place."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_loader
from pathlib import Path
from types import CodeType, FunctionType, ModuleType

from tests.tree import ROOT

CORE = ROOT / "listener" / "core"


@dataclass(frozen=True, slots=True)
class Mutant:
    """``where`` and ``change`` are its name: they stay when lines shift. ``source``: the whole
    mutated module. ``function``: the qualified name of the function whose body alone differs, or
    None where the module must be imported anew."""

    module: str
    where: str
    change: str
    source: str
    function: str | None

    @property
    def key(self) -> tuple[str, str]:
        return self.where, self.change

    @property
    def name(self) -> str:
        return f"{self.where}: {self.change}"

    def code(self) -> CodeType:
        return compile(self.source, path_of(self.module), "exec")


def modules() -> list[str]:
    """Every module of the core, by its dotted name."""
    return sorted(module_of(path) for path in CORE.rglob("*.py"))


def digest_of(module: str) -> str:
    """Stands for the module's text: what was found of it is of another one once this differs."""
    return hashlib.sha256(Path(path_of(module)).read_bytes()).hexdigest()[:16]


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def path_of(module: str) -> str:
    base = ROOT.joinpath(*module.split("."))
    return str(base / "__init__.py" if base.is_dir() else base.with_suffix(".py"))


def put_in_place(mutant: Mutant) -> None:
    """Change this process, for good: fork first. A function gets the mutant's code; without one,
    whoever imports the module from now on gets the mutant."""
    if mutant.function is None:
        sys.meta_path.insert(0, _MutantFinder(mutant))
        return
    _function(sys.modules[mutant.module], mutant.function).__code__ = _code(
        mutant.code(), mutant.function
    )


def _function(module: ModuleType, name: str) -> FunctionType:
    found: object = module
    for part in name.split("."):
        found = vars(found)[part]
    found = getattr(found, "__func__", found)  # of a static method or a class method
    assert isinstance(found, FunctionType), name
    return found


def _code(module: CodeType, name: str) -> CodeType:
    for constant in module.co_consts:
        if isinstance(constant, CodeType):
            if constant.co_qualname == name:
                return constant
            if name.startswith(f"{constant.co_qualname}."):
                return _code(constant, name)
    raise LookupError(f"expected a function {name} in the mutated module, found none")


class _MutantFinder(MetaPathFinder, Loader):
    """Imports the mutant where its module is asked for."""

    def __init__(self, mutant: Mutant) -> None:
        self._mutant = mutant

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self._mutant.module:
            return None
        file = path_of(fullname)
        spec = spec_from_loader(fullname, self, origin=file)
        if spec is not None and file.endswith("__init__.py"):
            spec.submodule_search_locations = [str(Path(file).parent)]
        return spec

    def exec_module(self, module: ModuleType) -> None:
        module.__file__ = path_of(self._mutant.module)
        exec(self._mutant.code(), vars(module))  # noqa: S102 - a mutant is there to be run
