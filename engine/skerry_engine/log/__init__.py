"""The log, and what else stands in a database's directory beside the base: lock file and control file."""
