"""How `make lab` runs JupyterLab: the Makefile adds this folder to the search path, beside the reader's settings."""

from pathlib import Path

c = get_config()  # noqa: F821 - Jupyter puts it there

# The course works without a network, and asks for none: no news feed, no question about it, no look for updates.
c.LabApp.news_url = None
c.LabApp.check_for_updates_class = "jupyterlab.NeverCheckForUpdate"
# The extension panel lists packages from the index and would install over the pinned ones.
c.LabApp.extension_manager = "readonly"
# The open tabs of the course are kept apart from those of the reader's other work.
c.LabApp.workspaces_dir = str(Path(__file__).resolve().parents[2] / ".jupyter" / "workspaces")
# Containers often have no other user than root; the server answers on this computer alone, and asks for a token.
c.ServerApp.allow_root = True
