"""The twin for other programs: an HTTP API in OpenAI's shape. Read app.py first."""
