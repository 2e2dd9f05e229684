"""Segment an archive of millions of images on a Ray cluster, into Parquet shards instead of files for each image.

OUT/archive.json              settings, numbers of inputs and of shards; written last when a run begins
OUT/inputs.parquet            every input, once; row group k is shard k
OUT/shards/00000042.parquet   a row for each image or frame: its record, and its mask as the bytes of a PNG file

A shard appears whole or not at all, and an existing shard is not made again. So each input is in one shard and has its
rows there once, whichever workers die and however often a run is resumed. Records and masks are in the same file, so
that no mask can be there without its row; a reader that asks for the other columns alone does not read the masks.
"""
