"""`PipeState`, the bitmask that people see, and how it and the layers are made of each other."""

from fustor_core.state.projection import Inverse, PipeState, inverse, project

__all__ = ["Inverse", "PipeState", "inverse", "project"]
