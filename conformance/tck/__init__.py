"""The openCypher TCK's scenarios, those that GQL shares, and the public GQL TCK: translated, run, judged.

.feature ── gherkin ──> scenarios ── cypher, expressions, translate ──> GQL ──> Skerry
                            │                      └ no such thing in GQL: not applicable, and why
                            └── values: expected tables ──────── judging: passed, failed, not applicable
"""
