"""Conversations with a model: its chat template, its answers as they come, and one cache for all turns."""

from tinylm.chat.conversation import PLAIN, PLAIN_STOPS, Chat
from tinylm.chat.encoding import encode_parts
from tinylm.chat.memory import Memory

__all__ = ["PLAIN", "PLAIN_STOPS", "Chat", "Memory", "encode_parts"]
