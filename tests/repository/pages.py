"""What a page names and this repository does not have: links, files, make targets, commands, settings, metrics, alerts.

Each check takes the text of a page and the folder in which it lies, and gives one sentence per fault. Names are looked for
in code: between backticks, and in blocks marked ``sh``. The paths are those of the repository's root, where the tests run.
"""

import importlib.util
import re
import runpy
import shlex
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr
from functools import cache
from io import StringIO
from pathlib import Path

from dvc.cli import DvcParserError, parse_args

import in_process

BLOCK = re.compile(r"```(\w*)\n(.*?)```", re.DOTALL)
SPAN = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
PATH = re.compile(r"\.?[\w-][\w.-]*(/[\w.-]+)*/?")
MAKE = re.compile(r"(?:^|[;&|] *)make ([a-z][a-z-]*)")
MODULE = re.compile(r"(?:^|[;&|=\w] *)python3? -m ([\w.]+)((?: [^;&|>]+)?)")
SETTING = re.compile(r"\b([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)\b|^([A-Z]{3,})=")
CAPTURED = re.compile(r"^([A-Z]+)=\$\(")  # what a page keeps of an answer, for its own next lines
METRIC = re.compile(r"\b((?:prediction_api|data_api|board)_[a-z][a-z0-9_]*[a-z])\b")
ALERT = re.compile(r"(?:[A-Z][a-z]+){2,}")
SUFFIXES = {".py", ".yaml", ".yml", ".toml", ".md", ".json", ".csv", ".html", ".txt", ".onnx", ".parquet", ".ipynb", ".lock"}
OWN = ("pipeline", "prediction_api", "data_api", "board", "kuma_provisioner")
NOT_OF_PYTHON = {
    "make",
    "git",
    "docker",
    "curl",
    "cp",
    "cd",
    "createdb",
    "pg_dump",
    "pg_restore",
    ".",
}  # what setup does not install
READERS = re.compile(r"(^|/)mine\b")  # pages call so what the reader is to write


def spans(text: str) -> list[str]:
    """What stands between backticks, outside of blocks."""
    return SPAN.findall(BLOCK.sub("", text))


def lines(text: str) -> list[str]:
    """The commands in blocks of shell, without remarks, each in one line."""
    shell = "\n".join(block for language, block in BLOCK.findall(text) if language in ("sh", "bash"))
    kept = (re.sub(r"(^|\s)#.*", "", line).strip() for line in shell.replace("\\\n", " ").splitlines())
    return [line for line in kept if line]


def links(text: str, folder: Path) -> Iterator[str]:
    """Relative links lead to a file, and to a heading in it."""
    for target in LINK.findall(BLOCK.sub("", text)):
        path, _, heading = target.partition("#")
        if re.match(r"\w+:", target):
            continue
        if path and not (folder / path).exists():
            yield f"the link {target} leads nowhere"
        elif heading and heading not in _headings((folder / path).read_text(encoding="utf-8") if path else text):
            yield f"the link {target} leads to no heading"


def files(text: str, folder: Path) -> Iterator[str]:
    """Files and folders are there, in git or written by a stage or a tool that .gitignore knows."""
    for name in sorted({span for span in spans(text) if PATH.fullmatch(span) and _is_path(span, folder)}):
        if not (READERS.search(name) or _is_there(name, folder)):
            yield f"{name} is no file or folder"


def targets(text: str, _folder: Path) -> Iterator[str]:
    """Targets of make are in the Makefile."""
    known = set(re.findall(r"^([a-z-]+):", Path("Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = {target for line in [*lines(text), *spans(text)] for target in MAKE.findall(line)}
    yield from (f"make {target} is no target" for target in sorted(named - known))


def commands(text: str, _folder: Path) -> Iterator[str]:
    """Programs are known, and dvc takes what it is given."""
    for line in (CAPTURED.sub("", line) for line in lines(text)):
        program = next((word for word in _words(line) if "=" not in word), "")
        if program not in NOT_OF_PYTHON and not (Path(sys.executable).parent / program).exists():
            yield f"{program} is no program that `make setup` installs"
    for line in [*lines(text), *(span for span in spans(text) if "dvc " in span)]:
        for command in re.split(r" (?:&&|\|\||;|\|) ", line):
            if command.startswith("dvc ") and (fault := _dvc_refuses(tuple(_words(command)[1:]))):
                yield f"{command}: {fault}"


def modules(text: str, _folder: Path) -> Iterator[str]:
    """Modules that Python runs are there, and take the commands and options that they are given."""
    helps = []
    for line in [*lines(text), *spans(text)]:
        for module, rest in MODULE.findall(line):
            if module.startswith(OWN) and importlib.util.find_spec(module) is None:
                yield f"python -m {module} is no module"
            elif module.startswith(OWN):
                words = _words(rest)
                told, helped = _help(
                    module, tuple(word for word in words[:1] if re.fullmatch(r"[a-z-]+", word) and word[0] != "-")
                )
                helps.append(helped)
                if not told:
                    yield f"python -m {module}{rest} is not understood"
                yield from (f"python -m {module} has no {word}" for word in words if _unknown(word, helped))
    alone = {span.partition("=")[0].split()[0] for span in spans(text) if re.match(r"--[a-z]", span)}
    elsewhere = "\n".join([*helps, *lines(text)])
    yield from (f"nothing on the page has an option {option}" for option in sorted(alone) if _unknown(option, elsewhere))


def settings(text: str, _folder: Path) -> Iterator[str]:
    """Settings of the environment are in .env.example, and variables of make in the Makefile."""
    known = set(re.findall(r"^#? ?([A-Z_]+)=", Path(".env.example").read_text(encoding="utf-8"), re.MULTILINE))
    known |= set(re.findall(r"\$[({]([A-Z_]+)", Path("Makefile").read_text(encoding="utf-8")))
    own = {found[1] for line in lines(text) if (found := CAPTURED.match(line))}
    named = {a or b for code in [*spans(text), *lines(text)] for a, b in SETTING.findall(code)}
    yield from (f"{name} is no setting of .env.example" for name in sorted(named - known - own))


def metrics(text: str, _folder: Path) -> Iterator[str]:
    """Metrics of the services are in their code."""
    named = {re.sub(r"_(bucket|count|sum)$", "", name) for span in spans(text) for name in METRIC.findall(span)}
    yield from (f"{name} is no metric" for name in sorted(named) if f'"{name}"' not in _code())


def alerts(text: str, _folder: Path) -> Iterator[str]:
    """What is written as alerts are, as a heading or as code, is an alert of a rule, or else a name in code."""
    headings = re.findall(r"^#+ (\w+)$", BLOCK.sub("", text), re.MULTILINE)
    named = {name for name in [*headings, *spans(text)] if ALERT.fullmatch(name)}
    yield from (f"{name} is no alert" for name in sorted(named - ruled()) if not re.search(rf"\b{name}\b", _code()))


CHECKS: tuple[Callable[[str, Path], Iterator[str]], ...] = (
    links,
    files,
    targets,
    commands,
    modules,
    settings,
    metrics,
    alerts,
)


@cache
def ruled() -> frozenset[str]:
    """The names of the alerts that Prometheus' rules hold."""
    rules = "\n".join(path.read_text(encoding="utf-8") for path in Path("monitoring/prometheus/rules").glob("*.yml"))
    return frozenset(re.findall(r"^ *- alert: (\w+)$", rules, re.MULTILINE))


def tracked(*patterns: str) -> list[Path]:
    """The files that git knows, or would add."""
    words = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns]
    return [Path(name) for name in subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()]


def _headings(text: str) -> set[str]:
    """The anchors that GitHub makes of the headings."""
    titles = re.findall(r"^#+ (.+)$", BLOCK.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).strip().replace(" ", "-") for title in titles}


def _is_path(name: str, folder: Path) -> bool:
    """Whether a name means a file or folder, not a route, a media type or a branch."""
    first = name.split("/", maxsplit=1)[0]
    return (
        name.endswith("/")
        or Path(name).suffix in SUFFIXES
        or ("/" in name and any((at / first).exists() for at in (Path(), folder)))
    )


def _is_there(name: str, folder: Path) -> bool:
    if any(at.exists() for at in (Path(name), folder / name)) or list(Path().glob(f"*/{name}")):
        return True
    if "/" not in name and (name in {path.name for path in _files()} or f'"{name}"' in _code()):
        return True
    return subprocess.run(["git", "check-ignore", "--quiet", name], check=False).returncode == 0


@cache
def _files() -> tuple[Path, ...]:
    return tuple(tracked())


@cache
def _code() -> str:
    """The source of everything that is no test."""
    sources = (path for path in _files() if path.suffix == ".py" and path.parts[0] != "tests" and path.exists())
    return "\n".join(path.read_text(encoding="utf-8") for path in sources)


@cache
def _dvc_refuses(words: tuple[str, ...]) -> str:
    """What dvc's own parser says against the words of a command; nothing runs."""
    said = StringIO()
    try:
        with redirect_stderr(said):
            parse_args(list(words))
    except (DvcParserError, SystemExit):
        return (said.getvalue().strip().splitlines() or ["dvc does not take that"])[0]
    return ""


@cache
def _help(module: str, command: tuple[str, ...]) -> tuple[bool, str]:
    """Whether a module of ours takes a command, and its help; a stage has neither, and is not run."""
    spec = importlib.util.find_spec(f"{module}.__main__") if _is_package(module) else importlib.util.find_spec(module)
    source = Path(spec.origin).read_text(encoding="utf-8") if spec and spec.origin else ""
    if "add_argument" not in source:
        return not command, "--debug" if "stage.run(" in source else ""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "'.*' found in sys.modules", RuntimeWarning)  # here it may have been imported
        done = in_process.call(
            lambda: runpy.run_module(module, run_name="__main__", alter_sys=True),
            [module, *command, "--help"],
            folder=Path(),
        )
    return done.returncode == 0, done.stdout


def _is_package(module: str) -> bool:
    spec = importlib.util.find_spec(module)
    return spec is not None and spec.submodule_search_locations is not None


def _unknown(word: str, helped: str) -> bool:
    option = word.partition("=")[0]
    return option.startswith("--") and re.search(rf"{re.escape(option)}\b", helped) is None


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError:
        return line.split()
