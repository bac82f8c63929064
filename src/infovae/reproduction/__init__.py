"""The paper's figures: which runs each consists of, and what is drawn of them. A file a figure."""
