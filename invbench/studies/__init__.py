"""Published results beyond the tables: ``registry`` names them, ``invbench reproduce`` makes them."""
