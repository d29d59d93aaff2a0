"""HTML → Markdown and facts, in a child process."""
