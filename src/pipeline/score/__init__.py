"""`make score`: a table in Parquet files predicted partition by partition, on as many workers as there are."""
