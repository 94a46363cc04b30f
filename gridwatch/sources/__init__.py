"""What other systems tell, as incidents. Pure but for `memory`; who brings messages and takes incidents is outside."""

from gridwatch.sources.adapters import Adapter, adapter_for, topic_filters
from gridwatch.sources.memory import Known, SourceMemory, SourceMemoryError
from gridwatch.sources.model import Arrived, Change, Reading, SourceTally, Told, Unread
from gridwatch.sources.teller import Teller, source_of

__all__ = [
    "Adapter", "Arrived", "Change", "Known", "Reading", "SourceMemory", "SourceMemoryError", "SourceTally", "Teller",
    "Told", "Unread", "adapter_for", "source_of", "topic_filters",
]  # fmt: skip
