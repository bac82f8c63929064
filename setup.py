"""Copy conf/ into the package when a wheel is built; pyproject.toml says all else."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithConfigs(build_py):
    """A clone, and an editable installation of it, use conf/ at the top."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            shutil.copytree("conf", Path(self.build_lib) / "infovae" / "conf", dirs_exist_ok=True)


setup(cmdclass={"build_py": BuildWithConfigs})
