"""The engine and its transactions, migrations, monthly partitions, bulk inserts."""
