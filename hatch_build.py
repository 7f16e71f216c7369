"""Hatchling build hook: compiles the hot modules with mypyc into the wheel.

The list of modules stands in pyproject.toml (`tool.hatch.build.hooks.custom.compiled-modules`).  The hook is
off unless HATCH_BUILD_HOOK_ENABLE_CUSTOM=1 is set, so a plain install is pure Python.  Each compiled module
ships beside its source: the extension wins at import, the source stays readable in tracebacks.

Without mypy and setuptools in the building environment the hook says so and builds the pure wheel.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

IMPORT_ROOTS = ("driver", "server", "engine")


class MypycBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """Adds one extension per hot module, and the shared one that mypyc makes, to the wheel."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile and register the extensions; called by hatchling before it collects files."""
        if self.target_name != "wheel" or version == "editable":
            return
        try:
            from mypyc.build import mypycify
            from setuptools import Distribution
        except ImportError as problem:
            self.app.display_warning(
                f"not compiling: {problem.name} is missing here; this wheel is pure Python"
            )
            return
        root = Path(self.root)
        modules = self._modules(root)
        self._scratch = Path(tempfile.mkdtemp(prefix="skerry-mypyc-"))
        previous = Path.cwd()
        os.chdir(root)
        os.environ["MYPYPATH"] = os.pathsep.join(str(root / name) for name in IMPORT_ROOTS)
        try:
            extensions = mypycify(
                ["--config-file", str(root / "pyproject.toml"), *self._sources(root)],
                only_compile_paths=modules,
                opt_level=os.environ.get("SKERRY_MYPYC_OPT_LEVEL", "3"),
                debug_level="0",
                target_dir=str(self._scratch / "c"),
            )
            distribution = Distribution({"name": "skerry", "ext_modules": extensions})
            command = distribution.get_command_obj("build_ext")
            command.build_lib = str(self._scratch / "lib")
            command.build_temp = str(self._scratch / "temp")
            command.parallel = os.cpu_count()
            command.ensure_finalized()
            command.run()
        finally:
            os.chdir(previous)
        self._register(self._scratch / "lib", build_data)
        self.app.display_info(
            f"compiled {len(modules)} modules with mypyc on Python {sys.version.split()[0]}"
        )

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove the scratch directory once the wheel is written."""
        scratch: Path | None = getattr(self, "_scratch", None)
        if scratch is not None:
            shutil.rmtree(scratch, ignore_errors=True)

    def _modules(self, root: Path) -> list[str]:
        """The configured list, checked: a name that is no file is a mistake, not something to skip."""
        modules: list[str] = list(self.config.get("compiled-modules", []))
        missing = [name for name in modules if not (root / name).is_file()]
        if missing:
            raise FileNotFoundError(f"compiled-modules names files that do not exist: {', '.join(missing)}")
        return modules

    @staticmethod
    def _sources(root: Path) -> list[str]:
        """Every module, in the order of a plain mypy run:
        what an import cycle infers depends on that order."""
        return sorted(
            str(path.relative_to(root)) for name in IMPORT_ROOTS for path in (root / name).rglob("*.py")
        )

    @staticmethod
    def _register(library: Path, build_data: dict[str, Any]) -> None:
        for built in sorted(library.rglob("*")):
            if built.is_file():
                build_data["force_include"][str(built)] = built.relative_to(library).as_posix()
        build_data["pure_python"] = False
        build_data["infer_tag"] = True
