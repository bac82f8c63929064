"""The page that compares runs. It reads run folders as plain files, without torch."""
