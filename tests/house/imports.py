"""What a module of src/pipeline imports, read from its source."""

import ast
from pathlib import Path

SOURCE = Path("src/pipeline")


def modules() -> list[str]:
    """The names of all modules of the package."""
    return sorted(path.stem for path in SOURCE.glob("*.py") if path.stem != "__init__")


def direct(module: str) -> set[str]:
    """The modules of the package that a module imports itself."""
    found: set[str] = set()
    for node in ast.walk(ast.parse((SOURCE / f"{module}.py").read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "pipeline":
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("pipeline."):
            found.add(node.module.split(".")[1])
        elif isinstance(node, ast.Import):
            found |= {name.name.split(".")[1] for name in node.names if name.name.startswith("pipeline.")}
    return found


def reached(*roots: str) -> set[str]:
    """The modules that are loaded when the roots are: themselves, and all that they import, however deep."""
    seen: set[str] = set()
    waiting = list(roots)
    while waiting:
        module = waiting.pop()
        if module not in seen:
            seen.add(module)
            waiting += direct(module)
    return seen


def libraries(module: str) -> set[str]:
    """The top-level names of everything else that a module imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse((SOURCE / f"{module}.py").read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.add(node.module.split(".")[0])
        elif isinstance(node, ast.Import):
            found |= {name.name.split(".")[0] for name in node.names}
    return found - {"pipeline"}
