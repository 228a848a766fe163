"""The rows of windowed tables: made of the state topics block by block, kept in the store, asked for in pages."""
