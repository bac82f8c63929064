"""docs/data.md against the sets."""

from pathlib import Path

import pytest
import yaml
from conftest import CONF, PROJECT
from formats import WRITERS

SETS, FILES = (
    {line.split("`")[1]: line for line in part.splitlines() if line.startswith("| `") and "`data=`" not in line}
    for part in (PROJECT / "docs" / "data.md").read_text().split("\n## ")[:2]
)


def test_every_set_has_a_row_with_its_validation_split() -> None:
    assert SETS.keys() == {path.stem for path in (CONF / "data").glob("*.yaml")}
    default = yaml.safe_load((CONF / "image_data.yaml").read_text())["data"]["validation_size"]
    for name, row in SETS.items():
        size = yaml.safe_load((CONF / "data" / f"{name}.yaml").read_text()).get("validation_size", default)
        told = "none" if size is None else f"{size:,}" if isinstance(size, int) else f"{size:.0%}"
        assert row.split(" | ")[3].startswith(told), name


@pytest.mark.parametrize("name", WRITERS)
def test_files_are_named_with_their_folder(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for file in WRITERS[name](tmp_path, monkeypatch).files:
        assert f"`{file.name}`" in FILES[name]
        assert f"`{file.parent.relative_to(tmp_path)}/`" in FILES[name]
