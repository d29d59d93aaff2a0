"""What kinds of posts there are, apart from the records: the commands name them before pydantic is loaded."""

from __future__ import annotations

from typing import Literal

Format = Literal["article", "note", "reply", "document"]
"""article: a post with a title; note: a short post without one; reply: an answer to somebody; document: PDF, DOCX."""
