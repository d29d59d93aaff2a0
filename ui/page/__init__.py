"""The page in the browser. Read server.py first."""
