"""Imports go downward only, packages of one layer are strangers, and there are no circles."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "src" / "sharewise"

#: From the ground up. A package may import from the lines above its own; never from its own line.
LAYERS = (
    ("errors", "streams"),
    ("files",),
    ("tasks",),
    ("data", "nn"),
    ("balance", "meta"),
    ("train",),
    ("study", "export", "web"),
    ("ranking", "report", "serve"),
    ("config",),
    ("cli",),
)
#: Contract suites for extensions: may use anything below the edge, and nothing may use them.
OUTSIDE = "testing"

LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
FILES = sorted(ROOT.rglob("*.py"))


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): path for path in FILES}


def imported(path: Path) -> Iterator[str]:
    """Modules of the package that a file imports, at the top or inside a function."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            # ``import sharewise`` alone takes no name: it asks where the package lies.
            names = [alias.name for alias in node.names if alias.name != "sharewise"]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            base = node.module or ""
            names = [f"{base}.{a.name}" if f"{base}.{a.name}" in MODULES else base for a in node.names]
        else:
            continue
        yield from (name for name in names if name.split(".")[0] == "sharewise")


def package_of(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def test_every_package_has_a_layer() -> None:
    packages = {package_of(module) for module in MODULES} - {"", OUTSIDE, "__main__"}
    assert packages <= set(LEVEL)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_downward(path: Path) -> None:
    own = package_of(module_of(path))
    if own in ("", "__main__"):
        return
    for target in map(package_of, imported(path)):
        if target == own:
            continue
        assert target != "", f"{path.name} imports the top-level names; import from where they live"
        assert target != OUTSIDE, f"{path.name} imports sharewise.{OUTSIDE}"
        limit = LEVEL["config"] if own == OUTSIDE else LEVEL[own]
        assert LEVEL[target] < limit, f"sharewise.{own} may not import sharewise.{target}"


def test_no_circles() -> None:
    graph = {name: set(imported(path)) - {name} for name, path in MODULES.items()}
    # A package's `__init__` only hands names on: importing a sibling through it would be a circle.
    state: dict[str, str] = {}

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert state.get(name) != "open", f"circle: {' -> '.join((*trail[trail.index(name) :], name))}"
        if name in state:
            return
        state[name] = "open"
        for target in sorted(graph.get(name, ())):
            visit(target, (*trail, name))
        state[name] = "done"

    for name in sorted(graph):
        visit(name, ())
