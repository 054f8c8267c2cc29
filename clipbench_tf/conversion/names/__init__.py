"""What published weights are called, and how they are laid out, beside ours."""
