"""The feature store: a ledger that is the truth, and a vector index that is derived from it."""

from contracts.feature_store.filters import Filters
from contracts.feature_store.ledger import Dated
from contracts.feature_store.sightings import Key, Place, Sighting
from contracts.feature_store.store import FeatureStore, Hit
from contracts.feature_store.versions import FeatureVersion
from contracts.feature_store.writing import Features

__all__ = ["Dated", "FeatureStore", "FeatureVersion", "Features", "Filters", "Hit", "Key", "Place", "Sighting"]
