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
            configs = Path(self.build_lib, "infovae", "conf")
            shutil.rmtree(configs, ignore_errors=True)  # of an earlier build
            shutil.copytree("conf", configs)


setup(cmdclass={"build_py": BuildWithConfigs})
