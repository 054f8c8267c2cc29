"""Pictures: from encoded bytes to views."""
