"""Writing as one transaction: staged, journalled, renamed; taken back when it broke off."""
