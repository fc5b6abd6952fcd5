"""mlpot: machine-learned interatomic potentials, every descriptor with every regressor."""
