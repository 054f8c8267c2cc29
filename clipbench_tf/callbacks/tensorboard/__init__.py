"""TensorBoard output: scalars, images, projector."""
