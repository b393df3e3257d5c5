"""What the commands do, one module or folder a command, with the command's name."""
