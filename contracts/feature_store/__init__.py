"""The feature store: a ledger that is the truth, and a vector index that is derived from it."""

from contracts.feature_store.store import Features, FeatureStore, FeatureVersion, Hit

__all__ = ["FeatureStore", "FeatureVersion", "Features", "Hit"]
