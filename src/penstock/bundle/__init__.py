"""Bundles: immutable versions of models on disk, and the repository that holds them.

Packing runs the model, so it stands above the engine: import it from ``penstock.bundle.pack``.
"""

from penstock.bundle.bundle import Bundle
from penstock.bundle.golden import Golden
from penstock.bundle.manifest import Manifest
from penstock.bundle.repository import Repository
from penstock.bundle.signature import Signature, TensorSpec

__all__ = ["Bundle", "Golden", "Manifest", "Repository", "Signature", "TensorSpec"]
