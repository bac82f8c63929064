"""Compare runs in a browser: run folders are read to plain data, a page is built around it, a server keeps it fresh."""
