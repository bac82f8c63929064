"""What encoder and decoder are given beside x and z. One file per option of ``conf/condition/``."""
