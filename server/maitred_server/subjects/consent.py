"""What consents mean when several were said: pure functions, defined where the profile is kept."""

from maitred_server.store.consents import Word, newest, strictest

__all__ = ["Word", "newest", "strictest"]
