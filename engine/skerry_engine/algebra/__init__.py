"""The one logical algebra that every query language is translated to."""
