"""The source that reads directories of the machine that the agent runs on, and watches them with inotify."""

from fustor_agent.sources.fs.source import FsSource

__all__ = ["FsSource"]
