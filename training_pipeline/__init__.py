"""From the feature store to an evaluated adapter in the model registry. Read pipeline.py first."""
