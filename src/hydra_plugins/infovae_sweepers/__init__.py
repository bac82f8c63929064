"""The grid and Optuna sweepers, in the one package where Hydra looks for plugins."""
