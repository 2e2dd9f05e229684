"""An archive of millions of images, segmented by the workers of a Ray cluster: Parquet shards, not files an image.

OUT/archive.json              settings, how many inputs in how many shards; written last when a run begins
OUT/inputs.parquet            every input, once; row group k is shard k
OUT/shards/00000042.parquet   a row an image or frame: what is known of it, and its mask as the bytes of a PNG file

A shard appears whole or not at all, and one that is there is not made again. So, whatever dies and is begun anew, each
input is in one shard, and has its rows in it once. The manifest is every column but `mask`, in the same file, so that
no mask can lie there without its row; a reader that asks for the other columns does not touch the masks.
"""
