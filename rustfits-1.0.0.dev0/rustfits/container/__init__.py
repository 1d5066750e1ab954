"""An open FITS file: its HDUs, where they lie, new ones, and what a name or a URL means.

Not here: what is inside of an HDU, and how bytes reach the disk.
"""
