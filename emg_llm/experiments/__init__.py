"""Experiments: models fitted on folds, scored, compared with controls and summarised."""
