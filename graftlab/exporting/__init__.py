"""Models for other programs and other machines: as ONNX, and as a page for any browser."""
