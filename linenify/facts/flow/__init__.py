"""What a value may be: kinds, their tables, and the interpreter that fills them."""
