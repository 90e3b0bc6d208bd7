"""Photos: their sources, scans of them, crops to the training size, and batches.

source --scan--> report      source --pack--> one memory-mapped file      source or pack --TrainingImages--> batches
"""

from graftlab.data.classes import Classes, classes_of
from graftlab.data.crops import CROPS
from graftlab.data.image_source import ImageSource
from graftlab.data.indexing import IndexReport, index
from graftlab.data.pack import Pack, pack
from graftlab.data.scan import ScanReport, scan
from graftlab.data.sources import open_source
from graftlab.data.training_images import TrainingImages

__all__ = [
    "CROPS",
    "Classes",
    "ImageSource",
    "IndexReport",
    "Pack",
    "ScanReport",
    "TrainingImages",
    "classes_of",
    "index",
    "open_source",
    "pack",
    "scan",
]
