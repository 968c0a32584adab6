"""The upload page: HTML for people, over the same services as the API. Works without JavaScript; with it, better."""
