"""The pool of threads that decode and encode, their scratch buffers, and memory of large arrays, used again.

Not here: what the threads do; the rooms that have work hand it over.
"""
