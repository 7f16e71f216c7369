"""The asyncio halves of workflows; those of the modules that have blocking twins are their source."""
