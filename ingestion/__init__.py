"""docqueue's first customer: uploads and zips become stored, indexed, searchable documents."""
