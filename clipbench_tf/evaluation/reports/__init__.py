"""What an evaluation leaves for people: tables and pictures."""
