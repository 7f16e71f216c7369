"""The dialect's tests run twice: embedded and over the network."""

from support.engines import async_url, engine, url

__all__ = ["async_url", "engine", "url"]
