"""What several views share, fitted and applied once."""
