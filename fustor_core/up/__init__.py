"""`fustor up`: an agent and fusion on this machine, with settings made for the directories that were named."""

from fustor_core.up.command import up

__all__ = ["up"]
