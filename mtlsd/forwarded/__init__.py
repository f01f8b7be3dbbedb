"""Client certificates that a proxy forwards: one strict parser for each format, chosen by configuration."""
