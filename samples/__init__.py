"""Documents that this project wrote itself, packed as a visitor would upload them. See README.md."""
