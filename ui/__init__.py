"""The `twin` command and the chat page. wiring.py is the one place where the parts are put together."""
