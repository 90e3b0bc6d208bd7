"""What training minimises: networks and tensors in, a dict of named terms out, each one value per item.

The number to minimise is the sum over terms of their means. An objective never sees an optimiser, a log or a step
counter.
"""
