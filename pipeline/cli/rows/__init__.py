"""What commands show: rows for people and for programs."""
