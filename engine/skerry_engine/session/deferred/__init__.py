"""Deferred materialized views: filled from a snapshot, then kept up to date from the change feed.

    commits ──> feed ──────────> what has changed since the view's epoch      following
                                    │  operators of the view's query          views
                                    v
    state (a hidden table) <── branch ──> rows of the view                    stored_state, following
                                    └──── merged with other views' branches, one commit

The state has the view's epoch, too: rows, state and epoch are one commit, so that a crash loses nothing and does
nothing twice.  `registry` knows which views there are, and has the work done behind commits; `filling` makes a view's
rows and state from nothing.
"""
