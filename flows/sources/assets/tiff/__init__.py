"""The header of a tiled GeoTIFF: what its tiles hold, where they lie, and when a header is believed.

Covered: the first image of a classic or Big TIFF of either byte order that has one band in square-ish tiles,
numbers of 8 to 64 bits, and its place in coded metres (TIFF 6.0; OGC GeoTIFF 1.1; GDAL's COG driver for the
sizes it writes around each tile). All else raises UncoveredError, and GDAL reads it.
"""
