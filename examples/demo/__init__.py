"""`make demo`: a service falls ill in five ways, and one sees what Salus makes of it."""
