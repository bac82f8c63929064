"""`infovae doctor`: a report that fits a screen, and tells no secret."""

import tomllib
from pathlib import Path

import pytest
from conftest import PROJECT

from infovae.app import doctor

KEY = "0123456789abcdef" * 2 + "01234567"


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_BASE_URL", "WANDB_ENTITY", "WANDB_IDENTITY_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setattr("sys.argv", ["infovae"])


def test_every_extra_is_described() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    assert doctor.FEATURES.keys() == project["optional-dependencies"].keys()


def test_a_missing_package_is_named_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor, "_version", {"optuna": "3.6", "h5py": "3.12", "torch": "2.6.0"}.get)
    doctor.doctor()
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) < 24
    assert "torch 2.6.0, torchvision missing" in lines[2]
    assert "data in HDF5 files" in lines[5]
    # Too old counts as missing.
    assert any(line.startswith("missing   searches by Optuna: pip install 'optuna") for line in lines)


def test_the_destination_is_told_and_the_key_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    assert doctor.destination().startswith("offline (no key for api.wandb.ai)")
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("WANDB_ENTITY", "a-team")
    monkeypatch.setenv("WANDB_BASE_URL", f"http://user:{KEY}@127.0.0.1:9")  # the discard port: nobody listens
    answer = doctor.destination()
    assert answer.startswith("online, to a-team at 127.0.0.1; 127.0.0.1 can't be reached")
    assert KEY not in answer
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert doctor.destination().startswith("disabled (WANDB_MODE)")
