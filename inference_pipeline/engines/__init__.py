"""Engines: each is a LangChain chat model, so that a local model and a remote server are one thing to the twin."""
