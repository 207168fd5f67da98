"""Training code: models, optimizers, states, contexts, caches."""
