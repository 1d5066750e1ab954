"""Where the bytes of a file live: ranges in and out, transactions and their journal, locks, and the open file.

Not here: FITS keywords. An open file knows where its HDUs lie, and not what is in them.
"""
