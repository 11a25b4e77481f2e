"""What models share: blocks, losses, and the frames of whole families."""
