#!/usr/bin/env python3
"""Checks what compilers do not: the include direction of the rooms, header guards and openings, file
sizes, formatting, names that must not appear, and that the version is stated once.

Run by ctest (label lint) and by tools/dev lint. Prints one line a finding; exit status 1 when there is any.
"""
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent

# docs/ARCHITECTURE.md: what a room may include besides itself. base and the public API are open to all.
ROOMS = {
    "base": set(),
    "tensor": set(),
    "quant": {"tensor"},
    "formats": {"tensor", "quant"},
    "text": set(),
    "kernels": {"tensor", "quant"},
    "graph": {"tensor", "quant"},
    "devices": {"tensor", "quant", "graph", "kernels"},
    "models": {"tensor", "quant", "graph", "formats"},
    "engine": {"formats", "devices", "text", "kernels"},
    "runtime": {"tensor", "quant", "graph", "formats", "models", "devices", "text", "kernels", "engine"},
    "train": {"tensor", "quant", "graph", "formats", "models", "devices", "text", "kernels"},
    "observe": set(),
    "state": set(),
    "guard": {"state"},
    "serve": {"observe", "state", "guard"},
}
EVERYTHING = set(ROOMS) | {"cli"}
# The same inside text: what a folder, or a file beside the folders, may include of text besides itself. The files that are
# not named here put the folders together.
TEXT_ROOMS = {
    "tokenizer.h": set(),
    "tokenizer": {"tokenizer.h"},
    "grammar": {"tokenizer.h"},
    "jinja": set(),
    "tools": set(),
}
MAX_LINES = 800
NEVER = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
# The host program's logger, which may write to its standard output; ours is logger() (base/log.h).
FOREIGN_LOG = re.compile(r"\bspdlog::(trace|debug|info|warn|error|critical)\(")


def tracked(*patterns):
    """Files that git tracks and that still exist."""
    out = subprocess.run(["git", "ls-files", "-z", *patterns], cwd=ROOT, check=True, capture_output=True)
    return [ROOT / name for name in out.stdout.decode().split("\0") if name and (ROOT / name).exists()]


def check_includes(path, text):
    parts = path.relative_to(ROOT).parts
    if parts[0] != "src" or len(parts) < 3:
        return
    room = parts[1]
    is_test = path.name.endswith(("_test.cc", "_bench.cc"))
    allowed = EVERYTHING if room == "cli" or is_test else ROOMS[room] | {room, "base"}
    for number, line in enumerate(text.splitlines(), 1):
        match = re.match(r'#include "([a-z_]+)/', line)
        if match and match[1] != "autoglm" and match[1] in EVERYTHING and match[1] not in allowed:
            yield f"{number}: room {room} may not include {match[1]}/ (docs/ARCHITECTURE.md)"
        if room == "text" and not is_test:
            yield from check_text_include(number, parts[2], len(parts) > 3, line)
        if re.match(r"#\s*if", line) and room in ("models", "engine") and "pragma" not in line:
            yield f"{number}: no conditional compilation in {room}/"


def check_text_include(number, part, is_folder, line):
    """An #include of text by `part` of it, a folder or a file beside the folders."""
    match = re.match(r'#include "text/([a-z_0-9.]+)', line)
    if not match:
        return
    if is_folder and part not in TEXT_ROOMS:
        yield f"{number}: no rule says what text/{part}/ may include (docs/ARCHITECTURE.md)"
    elif part in TEXT_ROOMS and match[1] not in TEXT_ROOMS[part] | {part}:
        yield f"{number}: text/{part} may not include text/{match[1]} (docs/ARCHITECTURE.md)"


def check_tries(text):
    """AGLM_TRY inside the braces of an initialiser: its early return leaves the members before it undestroyed (g++ 12)."""
    text = re.sub(r"//[^\n]*", lambda comment: " " * len(comment[0]), text)
    for found in re.finditer(r"\bAGLM_TRY\(", text):
        depth = 0
        for at in range(found.start() - 1, -1, -1):
            if text[at] in ")}]":
                depth += 1
            elif text[at] == ";" and depth == 0:
                break
            elif text[at] in "({[" and depth > 0:
                depth -= 1
            elif text[at] == "{":
                inside, before = text[at + 1:found.start()].lstrip(), text[:at].rstrip()
                if inside.startswith(".") or (re.search(r"[,({=]$|\breturn$", before) and "," in inside):
                    yield f"{text.count(chr(10), 0, found.start()) + 1}: AGLM_TRY is a statement of its own (result.h)"
                break


def check_file(path):
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    if len(lines) > MAX_LINES:
        yield f"1: {len(lines)} lines; the limit is {MAX_LINES}"
    if path.suffix == ".h" and "#pragma once" not in text:
        yield "1: header without #pragma once"
    # The header speaks for the file that implements it.
    if lines and not lines[0].startswith("//") and not re.match(r'#include "\S+\.h"', lines[0]):
        yield "1: a file opens with what it is"
    for number, line in enumerate(lines, 1):
        if FOREIGN_LOG.search(line):
            yield f"{number}: log through logger() of base/log.h"
        if NEVER.search(line):
            yield f"{number}: a promise for later; file an issue instead"
    yield from check_tries(text)
    yield from check_includes(path, text)


def check_format(paths):
    tool = shutil.which("clang-format-14") or shutil.which("clang-format")
    if tool is None:
        print("clang-format not found: formatting not checked")
        return
    result = subprocess.run([tool, "--dry-run", "-Werror", *map(str, paths)], capture_output=True, text=True)
    if result.returncode != 0:
        first = [line for line in result.stderr.splitlines() if ": error:" in line]
        for file in sorted({line.split(":")[0] for line in first}):
            yield f"{pathlib.Path(file).relative_to(ROOT)}:1: not formatted (tools/dev format)"


def check_version():
    stated = re.search(r"VERSION (\S+)", (ROOT / "CMakeLists.txt").read_text().split("project(autoglm")[1])[1]
    header = (ROOT / "include/autoglm/version.h").read_text()
    if f'"{stated}"' not in header:
        yield f"include/autoglm/version.h:1: CMakeLists.txt states version {stated}"


def main():
    findings = list(check_version())
    sources = tracked("*.h", "*.cc")
    for path in sources:
        findings += [f"{path.relative_to(ROOT)}:{finding}" for finding in check_file(path)]
    findings += check_format(sources)
    for finding in findings:
        print(finding)
    print(f"{len(sources)} files checked, {len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
