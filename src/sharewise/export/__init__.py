"""A trained network -> files that others run: ONNX, torch.export. Checked against the library's predictions.

One idea: what is exported is a `Network`, from encoded inputs to predictions in the labels' unit. How raw
features become inputs lies beside it as data, written by whoever knows them: `sharewise.serve` for tables,
`sharewise.ranking` for logs. No tables, no logs and no HTTP here.
"""

from sharewise.export.folder import Export, export_network, read_export, write_export
from sharewise.export.network import Network
from sharewise.export.session import Engine, open_engine

__all__ = [
    "Engine",
    "Export",
    "Network",
    "export_network",
    "open_engine",
    "read_export",
    "write_export",
]
