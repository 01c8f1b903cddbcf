"""Which mutants there are: mutmut's operators and a few of ours, over whole modules.

mutmut finds the places and makes the changes. Its own run is not used (docs/decisions/0008): it
knows functions alone, and much of the core is tables.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import libcst as cst
from libcst.metadata import MetadataWrapper
from mutmut.mutation.file_mutation import Mutation, MutationVisitor, deep_replace
from mutmut.mutation.mutators import mutation_operators, operator_string
from mutmut.mutation.pragma_handling import IgnoredCode

from .mutant import Mutant, path_of

LONGEST = 200
"""Characters of a change's text; what is longer loses its middle."""

Node = Any
"""A node of libcst. Any, because a type checker need not have libcst at hand."""


def mutants_of(module: str) -> list[Mutant]:
    """Every mutant of one module, each once, with names that are unlike one another."""
    source = Path(path_of(module)).read_text(encoding="utf-8")
    visitor = MutationVisitor(OPERATORS, IgnoredCode(set(), set(), set()))
    tree = MetadataWrapper(cst.parse_module(source)).visit(visitor)
    homes = dict(_homes(tree))
    pieces = _pieces(tree)
    seen = {source}
    named: Counter[str] = Counter()
    found = []
    for mutation in visitor.mutations:
        made = _made(module, tree, pieces, homes, mutation)
        if made.source in seen or not _compiles(made):
            continue
        seen.add(made.source)
        named[made.name] += 1
        if named[made.name] > 1:
            made = replace(made, change=f"{made.change} [{named[made.name]}]")
        found.append(made)
    return found


def _compiles(mutant: Mutant) -> bool:
    """Whether it is Python at all: the operators make a few that are not."""
    try:
        mutant.code()
    except SyntaxError:
        return False
    return True


# --------------------------------------------------------------------------------- the operators


def _strings(node: Node) -> Iterable[Node]:
    """mutmut's, but for its changes of case (who compares a word sees either change), and but for
    texts of several words, which people read."""
    if not isinstance(node, cst.SimpleString) or " " in node.value:
        return
    yield from (made for made in operator_string(node) if made.value.lower() != node.value.lower())


def _conditions(node: Node) -> Iterable[Node]:
    """A branch always taken, and never. mutmut turns operators only, and ``if found:`` has none."""
    for word in ("True", "False"):
        yield node.with_changes(
            test=cst.Name(word), whitespace_before_test=cst.SimpleWhitespace(" ")
        )


def _calls(node: Node) -> Iterable[Node]:
    """A call for its effect, left out."""
    if isinstance(node.value, cst.Call):
        yield cst.Pass()


def _returns(node: Node) -> Iterable[Node]:
    """Nothing returned. For ``return False`` that is the same, and for ``return True`` the same as
    False, which is made already."""
    value = node.value.value if isinstance(node.value, cst.Name) else ""
    if node.value is not None and value not in ("None", "False", "True"):
        yield cst.Return(cst.Name("None"))


OPERATORS: list[tuple[type, Callable[[Node], Iterable[Node]]]] = [
    *(pair for pair in mutation_operators if pair[1] is not operator_string),
    (cst.BaseString, _strings),
    (cst.If, _conditions),
    (cst.Expr, _calls),
    (cst.Return, _returns),
]


# -------------------------------------------------------------------------- places and their names


def _homes(tree: Node) -> Iterator[tuple[int, tuple[int, str, bool]]]:
    """Node → (number of its top-level statement, name of its place, in a function's body).

    A function that the module itself calls has had its effect once the module is imported: it
    counts as no function here.
    """
    called = _called(tree)
    for number, statement in enumerate(tree.body):
        if isinstance(statement, cst.ClassDef):
            for child in statement.body.body:
                name = f"{statement.name.value}.{_named(child)}"
                yield from _inside(child, number, name, called)
        else:
            yield from _inside(statement, number, _named(statement), called)


def _called(tree: Node) -> set[str]:
    """The functions that the module calls by name while it is imported."""
    statements = (each for each in tree.body if not isinstance(each, cst.FunctionDef))
    calls = (node for each in statements for node in _walk(each) if isinstance(node, cst.Call))
    return {call.func.value for call in calls if isinstance(call.func, cst.Name)}


def _inside(
    node: Node, number: int, name: str, called: set[str]
) -> Iterator[tuple[int, tuple[int, str, bool]]]:
    yield from ((id(each), (number, name, False)) for each in _walk(node))
    if isinstance(node, cst.FunctionDef) and not node.decorators and name not in called:
        yield from ((id(each), (number, name, True)) for each in _walk(node.body))


def _named(statement: Node) -> str:
    """A function's or class's name, or the name that a statement assigns to."""
    if isinstance(statement, cst.FunctionDef | cst.ClassDef):
        return str(statement.name.value)
    for small in getattr(statement, "body", ()):
        if isinstance(small, cst.AnnAssign) and isinstance(small.target, cst.Name):
            return str(small.target.value)
        if isinstance(small, cst.Assign):
            return str(cst.Module([]).code_for_node(small.targets[0].target))
    return "<module>"


def _walk(node: Node) -> Iterator[Node]:
    yield node
    for child in node.children:
        yield from _walk(child)


# ------------------------------------------------------------------------------------- the mutant


def _pieces(tree: Node) -> list[str]:
    """The module's text, one piece for each top-level statement, with what stands between."""
    bodies = [tree.code_for_node(statement) for statement in tree.body]
    footer = "".join(tree.code_for_node(line) for line in tree.footer)
    header = tree.code[: len(tree.code) - len(footer) - sum(map(len, bodies))]
    return [header, *bodies, footer]


def _made(
    module: str,
    tree: Node,
    pieces: list[str],
    homes: dict[int, tuple[int, str, bool]],
    mutation: Mutation,
) -> Mutant:
    number, place, in_body = homes[id(mutation.original_node)]
    changed = deep_replace(tree.body[number], mutation.original_node, mutation.mutated_node)
    text = tree.code_for_node(changed)
    return Mutant(
        module=module,
        where=f"{module.removeprefix('listener.')}.{place}",
        change=_difference(pieces[number + 1], text),
        source="".join([*pieces[: number + 1], text, *pieces[number + 2 :]]),
        function=place if in_body else None,
    )


def _difference(before: str, after: str) -> str:
    """The changed lines as one: ``old → new``."""
    old, new = before.splitlines(), after.splitlines()
    taken: tuple[list[str], list[str]] = ([], [])
    matcher = difflib.SequenceMatcher(a=old, b=new, autojunk=False)
    for what, a, b, c, d in matcher.get_opcodes():
        if what != "equal":
            taken[0].extend(map(str.strip, old[a:b]))
            taken[1].extend(map(str.strip, new[c:d]))
    return f"{_short(' '.join(taken[0]))} → {_short(' '.join(taken[1]))}"


def _short(text: str) -> str:
    if len(text) <= LONGEST:
        return text
    return f"{text[: LONGEST // 2]} … {text[-LONGEST // 2 :]}"
