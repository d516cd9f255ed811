"""The examples of a data set, partition by partition: what each is made from, how it is made, and where it is written."""
