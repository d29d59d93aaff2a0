"""The feature store: a ledger that is the truth, and a vector index that is derived from it."""

from contracts.feature_store.ledger import Features, FeatureVersion
from contracts.feature_store.store import FeatureStore, Hit

__all__ = ["FeatureStore", "FeatureVersion", "Features", "Hit"]
