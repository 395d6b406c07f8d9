"""Reading finished and unfinished studies: figures and pictures."""
