"""What an evaluation has done while it goes on, on disk, so that one that is killed goes on."""
