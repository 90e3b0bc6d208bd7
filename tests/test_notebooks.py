"""Every notebook runs from top to bottom, in an empty folder, and lies in git without what it printed."""

from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat")
pytest.importorskip("IPython")

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def code(path: Path) -> list:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


@pytest.fixture
def shell(tmp_path, monkeypatch):
    """What a kernel runs cells in, in this process, which has PyTorch already."""
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.chdir(tmp_path)
    yield InteractiveShell.instance(config=Config(HistoryManager={"enabled": False}))
    InteractiveShell.clear_instance()


def test_there_are_four():
    assert [path.stem for path in NOTEBOOKS] == ["blend-networks", "films", "swap-and-edit", "train-on-your-photos"]


@each_notebook
def test_it_runs(path: Path, shell, small_features):
    from IPython.utils.capture import capture_output

    with capture_output() as captured:
        for cell in code(path):
            shell.run_cell(cell.source).raise_error()
    assert any({"image/jpeg", "image/png"} & output.data.keys() for output in captured.outputs)


@each_notebook
def test_it_lies_in_git_without_outputs_and_is_ready_for_colab(path: Path):
    cells = code(path)
    assert "pip install" in cells[0].source
    assert "graftlab" in cells[0].source
    assert all(cell.outputs == [] and cell.execution_count is None for cell in cells)
