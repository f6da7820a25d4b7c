"""Tables from stored cells; nothing here measures or imports an entry's code."""
