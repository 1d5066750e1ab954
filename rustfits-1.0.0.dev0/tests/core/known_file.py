"""A file of known bytes, alone in its folder."""

CONTENT = bytes(range(256)) * 300


def alone(path):
    return [found.name for found in path.parent.iterdir()] == [path.name]
