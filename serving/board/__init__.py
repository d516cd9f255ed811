"""The board: follows the event log, predicts each subject when its time comes, and answers questions about it.

Start it with ``python -m board``.
"""
