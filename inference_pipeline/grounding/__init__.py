"""What a model said → what a reader may rely on. Read check.py first."""
