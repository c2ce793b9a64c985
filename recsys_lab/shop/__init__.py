"""The live shop (chapter 08): events in, lists out, products changed and models refreshed, while people shop.

`Engine` has no HTTP in it; `recsys_lab.shop.app` serves it, `recsys_lab.shop.widget` puts it into a notebook.
"""

from recsys_lab.shop.answers import Answer, Away, Busy, Sent
from recsys_lab.shop.config import ConfigError, Settings
from recsys_lab.shop.engine import Engine

__all__ = ["Answer", "Away", "Busy", "ConfigError", "Engine", "Sent", "Settings"]
