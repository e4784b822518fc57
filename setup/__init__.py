"""Make a machine ready and build the stage images: ``python3 -m setup``, before any virtual environment exists.

Only the standard library and the parts of `hermetic_rpm` that need nothing else are imported here.
"""
