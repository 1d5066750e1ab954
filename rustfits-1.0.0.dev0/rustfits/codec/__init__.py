"""What a codec is, its work in batches, the hooks and how plugins are found, the codecs of the core, and the kernels.

Not here: tables and files; a codec sees tiles and the bytes they are compressed to.
"""
