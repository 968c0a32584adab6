"""Search: text cut into chunks, and the chunks found again."""
