"""What happens around training steps: measuring, logging, evaluating, saving."""
