"""What pyproject.toml cannot say: a wheel contains the JavaScript libraries, which lie in no checkout."""

import sys
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

sys.path.append(str(Path(__file__).resolve().parent / "tools"))  # last, so that no name there hides a library
import bring_javascript

try:  # before anything is built, since their licences are part of the metadata
    bring_javascript.bring()
    missing = None
except bring_javascript.MissingError as problem:
    missing = str(problem)


class Build(build_py):
    def run(self) -> None:
        """Refuse to build a wheel that lacks them; a checkout installed with `pip install -e` does without."""
        if missing and not self.editable_mode:
            raise SystemExit(f"graftlab cannot be built: {missing}")
        super().run()


setup(cmdclass={"build_py": Build})
