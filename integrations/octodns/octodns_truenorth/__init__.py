"""octoDNS provider for truenorth's zone files."""

from .provider import TruenorthProvider

__version__ = "0.1.0"

__all__ = ["TruenorthProvider"]
