"""The provider's APIs, as they are."""
