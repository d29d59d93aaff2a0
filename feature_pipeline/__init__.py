"""From a person's posts to features and labels in the feature store. Read pipeline.py first."""
