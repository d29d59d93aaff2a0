"""What the three pipelines agree on: records, the prompt, the models and the two stores.

Imports none of the pipelines, and loads no torch: heavy imports sit inside the functions that need them.
"""
