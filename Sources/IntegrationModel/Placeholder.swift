// The owner of this module replaces this file.
