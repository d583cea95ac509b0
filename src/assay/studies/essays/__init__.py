"""Over-optimization in the essays world, where gold is known exactly."""
