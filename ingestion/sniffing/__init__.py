"""How `ingestion.sniff` tells what a file is: one file a question, asked of the content."""
