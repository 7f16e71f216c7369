"""Commands of `skerry` besides `serve`: programs that use a database as anybody could, through the driver.

This is the one place of the server's package that imports the driver, and only when a command runs.
"""
