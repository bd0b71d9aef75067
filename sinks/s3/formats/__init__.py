"""The file formats of objects, one file each. Parquet is imported only where it is used: Arrow takes a while."""
