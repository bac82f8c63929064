"""The paper's figures: the runs behind each, and how it is drawn. One file per figure."""
