"""The history checker: does the engine keep what its isolation levels promise, whatever runs at the same time?

Several sessions run random transactions, stepped one unit at a time in a random order, and everything they
were shown is written down.  Two judges then look at the history:

    oracle   knows what each statement means, and finds for each a snapshot that explains what it gave
    graph    knows nothing of statements, builds the graph of dependencies and looks for forbidden cycles

The first is the stricter one, the second can name what it finds.  Script, schedule and outcome follow from the
seed alone.  To run a seed again, from the directory `tests`:

    python -m histories 4035

prints what is wrong and the smallest history found that is wrong in the same way.  `make test` runs some
thousands of fixed seeds; `make soak SECONDS=600` goes on with new ones and names those that fail.

    workload ──> script, schedule ──> scheduler ──> history ──> checker: oracle, graph ──> verdict ──> shrink, report
    statements: SQL and its meaning      world: the engine, emptied between histories      mutants: what must be caught
"""
