"""What the service does in a second on this machine, told as ratios to what PostgreSQL does on it. See README.md."""
