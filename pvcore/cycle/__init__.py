"""The steps of an update cycle, each one call for a task: what reads and writes store and ledger together.

Every step records its result in the ledger under the digest of what it was asked to do, and finds it
there when asked again. That, not Prefect's memory, is why starting anything twice does it once.
"""
