"""What runs the steps of a preparation: Beam, its workers on this machine, files as a whole."""
